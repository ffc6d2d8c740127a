"""Names as arguments: which column, parameter or metric is meant, or an error with the names that exist."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mlv_tools._display.names import joined, listed, unknown

__all__ = ["AmbiguousName", "Name", "UnknownName", "resolve"]


class UnknownName(ValueError):
    """No column, parameter or metric has this name."""


class AmbiguousName(ValueError):
    """Several columns, parameters or metrics have this name."""


@dataclass(frozen=True)
class Name:
    """The names of a column, parameter or metric.

    Attributes:
        full: The unique name.
        short: The name in tables. If several have it, it is the name of the first one.
        others: Aliases, which count only if they are unambiguous.
    """

    full: str
    short: str
    others: tuple[str, ...] = ()


def resolve(text: str, names: Iterable[Name], what: str) -> Name:
    """Return the one name that *text* means. It may be written in double quotes.

    Args:
        text: The name that was given.
        names: The names that exist.
        what: What they name, for the message, such as "metric".

    Raises:
        UnknownName: If no name is *text*.
        AmbiguousName: If several names are *text*, none of them in full.
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
