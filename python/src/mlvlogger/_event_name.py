"""The name of an event as JSON, from the path of its logger and an argument (specification 1.0, chapter Events)."""

from __future__ import annotations

from ._errors import InvalidName
from ._format.convert import is_mapping
from ._format.event_name import MAX_EVENT_NAME, is_event_name
from ._format.json import dumps
from ._format.lifecycle import is_lifecycle
from ._messages import short

__all__ = ["name_json"]


def name_json(path: str, name: str) -> bytes:
    """Return the full name of an event as JSON.

    Args:
        path: The path of the logger; empty for a root logger.
        name: As for `Logger.event`.

    Raises:
        InvalidName: As for `Logger.event`.
    """
    # `str.__str__` gives the characters: `str` and `format` of an enumeration of strings may give others.
    full = (path + "/" if path else "") + str.__str__(name) if issubclass(type(name), str) else ""
    if not is_event_name(full):
        if is_mapping(name):
            raise InvalidName(
                f"{short(name)} isn't an event name. Pass the name first: event('train', {{'loss': 0.5}})."
            )
        raise InvalidName(
            f"{short(name)} isn't an event name: it must be words joined by single slashes, without control "
            f"characters, of at most {MAX_EVENT_NAME} characters with the logger's path {path!r}."
        )
    if full == "mlv" or is_lifecycle(full):
        raise InvalidName(
            f"{short(full)} isn't an event name: the first segment mlv belongs to the specification. "
            "Choose another first word."
        )
    try:
        full.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidName(
            f"{short(name)} isn't an event name: it has a lone surrogate. Decode it properly first."
        ) from None
    return dumps(full).encode("ascii")
