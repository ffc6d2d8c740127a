"""Planted mistakes by id."""

from collections.abc import Callable
from typing import Any, NamedTuple


class Fault(NamedTuple):
    """A planted mistake: what plants it, the rule that it breaks, the tests that must fail, and their message."""

    plant: Callable[[], None]
    rule: str
    tests: str
    says: str


class Faults(dict[str, Fault]):
    """The mistakes by id. As a function, it is a decorator that adds one."""

    def __call__(
        self, id_: str, rule: str, tests: str, says: str = ""
    ) -> Callable[[Callable[[], None]], Callable[[], None]]:
        """Return a decorator for the function that plants the mistake."""

        def add(plant: Callable[[], None]) -> Callable[[], None]:
            self[id_] = Fault(plant, rule, tests, says)
            return plant

        return add


def wrapped(owner: Any, name: str, wrap: Callable[..., Any]) -> None:
    """Replace a function by `wrap`, which gets the function as its first argument."""
    plain = getattr(owner, name)
    setattr(owner, name, lambda *arguments, **options: wrap(plain, *arguments, **options))
