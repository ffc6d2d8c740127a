"""The results of the fast path for the lines of a block."""

from typing import Any, NamedTuple

from mlv_validate._fast.invalid import BrokenRules

__all__ = ["InvalidLines", "Item", "Run", "UnknownLine", "ValidLine"]


class Run(NamedTuple):
    """Valid lines in a row, of the user's events without `span` and references, whose `seq` are consecutive.

    `first` is the first `seq`. `withins` are their `within`, 0 if there is none, each with the number of lines in a row
    that have it. `start`, `last` and `end` are offsets in the block: of the first line, of the last line, and of its
    end.
    """

    first: int
    lines: int
    withins: tuple[tuple[int, int], ...]
    start: int
    last: int
    end: int


class ValidLine(NamedTuple):
    """A valid line of a user's event with `span`, or with typed values that must be checked as references."""

    event: dict[str, Any]
    typed: list[dict[str, Any]]
    start: int
    end: int


class UnknownLine(NamedTuple):
    """A line that the full path must check, because no result for it is known."""

    start: int
    end: int


class InvalidLines(NamedTuple):
    """Lines in a row that break rules for which they are masked.

    `runs` are the rules, each with the number of lines in a row that break the same, and the size of these lines.
    """

    runs: tuple[tuple[BrokenRules, int, int], ...]
    start: int
    end: int


Item = Run | ValidLine | UnknownLine | InvalidLines
