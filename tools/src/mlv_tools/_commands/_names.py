"""Names as arguments: which column, parameter or metric is meant, or an error with the names that exist."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mlv_tools._display.names import joined, listed, unknown

__all__ = ["AmbiguousName", "Name", "UnknownName", "resolve"]


class UnknownName(ValueError):
    """Nothing has this name."""


class AmbiguousName(ValueError):
    """Several things have this name."""


@dataclass(frozen=True)
class Name:
    """What a thing is called.

    Attributes:
        full: Its name, which nothing else has.
        short: Its name in tables. If several things have it, it is the name of the first one.
        others: What it may also be called, if nothing else is.
    """

    full: str
    short: str
    others: tuple[str, ...] = ()


def resolve(text: str, names: Iterable[Name], what: str) -> Name:
    """Return the one thing that *text* names. It may be written in double quotes.

    Args:
        text: The name that was given.
        names: The things that there are.
        what: What they are, for the message, such as "metric".

    Raises:
        UnknownName: If nothing is called so.
        AmbiguousName: If several things are called so, none of them by its name.
    """
    names = list(names)
    for name in names:
        if text == name.full:
            return name
    for name in names:
        if text == name.short:
            return name
    plain = joined(text)
    found = [name for name in names if plain in (name.full, name.short, *name.others)]
    if len(found) == 1:
        return found[0]
    if found:
        choices = listed([name.short if resolve(name.short, names, what) is name else name.full for name in found])
        raise AmbiguousName(f"{text!r} is ambiguous. Choose one of: {choices}.")
    raise UnknownName(unknown(what, text, [name.short for name in names]))
