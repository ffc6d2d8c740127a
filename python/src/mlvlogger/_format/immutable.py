"""Immutable value objects.

A frozen dataclass would do the same, but to import `dataclasses` takes longer than to import all of mlvlogger.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Immutable"]


class Immutable:
    """The base class of read-only objects that are compared and hashed by the values of their fields.

    A subclass lists its fields in `__match_args__`, in the order in which its constructor takes them.
    """

    __slots__ = ()

    def _set(self, *values: Any) -> None:
        """Set the fields, in their order: for the constructor of a subclass."""
        for name, value in zip(self._names(), values, strict=True):
            object.__setattr__(self, name, value)

    def _names(self) -> tuple[str, ...]:
        # `__match_args__` isn't declared here: a type checker would no longer see those of the subclasses.
        names: tuple[str, ...] = getattr(self, "__match_args__", ())
        return names

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self._names())

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{name!r} of a {type(self).__name__} cannot be changed")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{name!r} of a {type(self).__name__} cannot be deleted")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in zip(self._names(), self._values(), strict=True))
        return f"{type(self).__qualname__}({fields})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._values()
