"""The table of recipes, and how one gets into it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from mlv_validate._requirements import RULES

Place = tuple[str, str, int | None]
"""A rule, a path and a line."""


@dataclass(frozen=True)
class Recipe:
    """
    Makes one hostile directory: `make` is given an empty directory, and `top` in it is what is to be judged.

    Next to `top` it may put what must not be read. `findings()` and `unchecked` are all that a validator must report.
    """

    make: Callable[[Path], None]
    findings: Callable[[], set[Place]]
    unchecked: frozenset[str]

    @property
    def exit_code(self) -> int:
        if self.unchecked:
            return 3
        return int(any(RULES[rule].severity == "error" for rule, _, _ in self.findings()))


RECIPES: dict[str, Recipe] = {}


def add(
    name: str,
    make: Callable[[Path], None],
    findings: Iterable[Place] = (),
    unchecked: Iterable[str] = (),
    many: Callable[[], Iterable[Place]] = tuple,
) -> None:
    """Add a recipe under a name that no other has; `many` gives further findings, so many that none are kept."""
    assert name not in RECIPES, name
    few = list(findings)
    RECIPES[name] = Recipe(make, lambda: {*few, *many()}, frozenset(unchecked))


def recipe(
    *findings: str, unchecked: Iterable[str] = (), many: Callable[[], Iterable[Place]] = tuple
) -> Callable[[Callable[[Path], None]], Callable[[Path], None]]:
    """Add a function as a recipe under its name; a finding is spelled `rule path` or `rule path:line`."""

    def register(make: Callable[[Path], None]) -> Callable[[Path], None]:
        add(make.__name__, make, map(place, findings), unchecked, many)
        return make

    return register


def place(text: str) -> Place:
    """Split `rule path:line` into rule, path and line."""
    rule, _, where = text.partition(" ")
    path, colon, line = where.rpartition(":")
    return (rule, path, int(line)) if colon and line.isdigit() else (rule, where, None)
