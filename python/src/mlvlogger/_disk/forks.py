"""Hooks for objects that a forked child must not share with its parent."""

from __future__ import annotations

import os
from _weakrefset import WeakSet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

__all__ = ["ForkAware"]


class ForkAware:
    """A set of weakly referenced objects, for each of which a forked child calls a function.

    Adding the first object installs the hook.

    Args:
        after_fork: The function, which is called in a forked child with each object.

    Attributes:
        forks: How often this process has forked since the first object was added.
    """

    forks = 0

    def __init__(self, after_fork: Callable[[Any], None]) -> None:
        self._after_fork = after_fork
        self._objects: WeakSet[Any] = WeakSet()
        self._has_hook = False

    def add(self, one: Any) -> None:
        """Add an object."""
        if not self._has_hook:
            self._has_hook = True
            if hasattr(os, "register_at_fork"):
                os.register_at_fork(after_in_parent=self._in_parent, after_in_child=self._in_child)
        self._objects.add(one)

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self._objects))

    def _in_parent(self) -> None:
        self.forks += 1

    def _in_child(self) -> None:
        for one in self:
            self._after_fork(one)
