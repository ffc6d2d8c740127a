"""Immutable value objects.

This is what a frozen dataclass is too, but importing `dataclasses` takes longer than importing all of mlvlogger.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Immutable"]


class Immutable:
    """Equal to another of the same kind with equal parts, hashed by them, and read-only.

    A subclass lists its fields in `__match_args__`, in the order in which its constructor takes them.
    """

    __slots__ = ()

    def _set(self, *parts: Any) -> None:
        """For the constructor of a kind: give the parts their values, in their order."""
        for name, part in zip(self._names(), parts, strict=True):
            object.__setattr__(self, name, part)

    def _names(self) -> tuple[str, ...]:
        # Not declared for all kinds: to a type checker, that would hide what each of them has.
        names: tuple[str, ...] = getattr(self, "__match_args__", ())
        return names

    def _parts(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self._names())

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{name!r} of a {type(self).__name__} cannot be changed")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{name!r} of a {type(self).__name__} cannot be deleted")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._parts() == other._parts()

    def __hash__(self) -> int:
        return hash(self._parts())

    def __repr__(self) -> str:
        parts = ", ".join(f"{name}={part!r}" for name, part in zip(self._names(), self._parts(), strict=True))
        return f"{type(self).__qualname__}({parts})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._parts()
