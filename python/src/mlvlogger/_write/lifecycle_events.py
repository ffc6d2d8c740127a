"""The lifecycle events of calls: rewind, pause, resume, another metadata record (specification 1.0, Lifecycle)."""

from __future__ import annotations

from .._format.json import dumps
from .._format.lifecycle import PAUSE, RECORD, RESUME, REWIND
from .._format.line import Pending

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["pause_event", "record_event", "rewind_event"]

_MAX_REASON = 10_000  # characters


def rewind_event(path: str, last: int, to: int, reason: str | None) -> Pending:
    """Return an ``mlv/rewind``.

    Args:
        path: The path of the stream, for the error.
        last: The last seq of the stream.
        to: The seq to rewind to.
        reason: The reason.

    Raises:
        ValueError: If the stream has no seq *to*.
        TypeError: If the reason isn't a string.
    """
    if not 0 <= to <= last:
        raise ValueError(
            f"cannot rewind {path} to {to!r}: its last seq is {last}. Give a seq that mark() returned for it."
        )
    return _event(REWIND, {"to": to}, reason)


def pause_event(paused: bool, reason: str | None) -> Pending:
    """Return an ``mlv/pause``, or an ``mlv/resume``.

    Raises:
        TypeError: If the reason isn't a string.
    """
    return _event(PAUSE if paused else RESUME, {}, reason)


def record_event(record: tuple[int, str]) -> Pending:
    """Return an ``mlv/record``: the session continues under the metadata record with this number and digest."""
    number, sha256 = record
    return Pending(RECORD, dumps({"record": {"number": number, "sha256": sha256}}).encode("ascii"))


def _event(name: bytes, data: dict[str, Any], reason: str | None) -> Pending:
    if reason is not None:
        if not isinstance(reason, str):
            raise TypeError(f"reason is {reason!r}; it must be a string.")
        data = {**data, "reason": reason[:_MAX_REASON].encode("utf-8", "backslashreplace").decode("utf-8")}
    return Pending(name, dumps(data).encode("ascii"))
