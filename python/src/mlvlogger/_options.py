"""Checks of arguments that have a few values, as strings."""

from __future__ import annotations

__all__ = ["check_choice", "writer_options"]


def writer_options(on_error: str, writer: str, durability: str) -> tuple[bool, bool]:
    """Check the options of every stream.

    Returns:
        Whether another process writes the stream, and whether events are synced to the disk.

    Raises:
        ValueError: If an option isn't one of its values.
    """
    check_choice("on_error", on_error, ("warn", "raise"))
    check_choice("writer", writer, ("direct", "process"))
    check_choice("durability", durability, ("kernel", "disk"))
    return writer == "process", durability == "disk"


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise ValueError if *value*, of the argument *name*, isn't one of *choices*."""
    if value not in choices:
        raise ValueError(f"{name} is {value!r}; it must be one of {', '.join(map(repr, choices))}.")
