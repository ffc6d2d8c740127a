"""Lifecycle events that a user asks for: `mlv/pause`, `mlv/resume` and `mlv/rewind`."""

from __future__ import annotations

from .._format.json import dumps
from .._format.lifecycle import REWIND
from .._format.line import Pending

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["lifecycle_event", "rewind_event"]

_MAX_REASON = 10_000  # characters


def lifecycle_event(name: bytes, data: dict[str, Any], reason: str | None) -> Pending:
    """Return an event with a reason, if there is one.

    Raises:
        TypeError: If the reason isn't a string.
    """
    if reason is not None:
        if not isinstance(reason, str):
            raise TypeError(f"reason is {reason!r}; it must be a string.")
        data = {**data, "reason": reason[:_MAX_REASON].encode("utf-8", "backslashreplace").decode("utf-8")}
    return Pending(name, dumps(data).encode("ascii"))


def rewind_event(path: str, last: int, to: int, reason: str | None) -> Pending:
    """Return an `mlv/rewind`.

    Args:
        path: The path of the stream, for a message.
        last: The last seq of the stream.
        to: The last seq that isn't superseded.
        reason: The reason, or None.

    Raises:
        ValueError: If *to* isn't an earlier seq.
    """
    if not 0 <= to <= last:
        raise ValueError(
            f"cannot rewind {path} to {to!r}: its last seq is {last}. Give a seq that mark() returned for it."
        )
    return lifecycle_event(REWIND, {"to": to}, reason)
