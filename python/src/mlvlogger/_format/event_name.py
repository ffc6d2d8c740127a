"""The form of an event's name (specification 1.0, chapter Events)."""

from __future__ import annotations

__all__ = ["MAX_EVENT_NAME", "is_event_name"]

MAX_EVENT_NAME = 1024
"""The most characters of the name of an event."""


def is_event_name(name: str) -> bool:
    """Return whether *name* has the form of an event's name (`event.name`)."""
    return (
        bool(name)
        and "//" not in name
        and name[0] != "/" != name[-1]
        and len(name) <= MAX_EVENT_NAME
        and (name.isprintable() or not any(char < " " or "\x7f" <= char <= "\x9f" for char in name))
    )
