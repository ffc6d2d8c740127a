"""Lifecycle events: how they are recognized, and what they say together (specification 1.0, chapter Lifecycle)."""

from __future__ import annotations

from .json import dumps, integer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, TypeVar

    State = TypeVar("State")

__all__ = [
    "DROPPED",
    "END",
    "PAUSE",
    "RESUME",
    "REWIND",
    "SEAL",
    "START",
    "dropped_data",
    "dropped_reasons",
    "first_dropped",
    "is_lifecycle",
    "is_paused_after",
    "is_seal",
    "lifecycle_lines",
    "may_be_lifecycle",
    "state_after",
    "superseded",
]

# The names of the events, as JSON text.
START = b'"mlv/start"'
PAUSE = b'"mlv/pause"'
RESUME = b'"mlv/resume"'
REWIND = b'"mlv/rewind"'
DROPPED = b'"mlv/dropped"'
SEAL = b'"mlv/seal"'
END = b'"mlv/end"'


def is_lifecycle(name: str) -> bool:
    """Whether an event of this name is a lifecycle event: the first segment ``mlv`` belongs to the specification."""
    return name.startswith("mlv/")


def is_seal(name: str) -> bool:
    """Return whether an event of this name is a seal: an ``mlv/end`` is one, too."""
    return name in ("mlv/seal", "mlv/end")


def lifecycle_lines(stream: str, number: int, block: bytes) -> Iterator[tuple[int, bytes]]:
    """Those lines of a block that may hold lifecycle events, with their numbers; *number* is that of the first."""
    if may_be_lifecycle(block):
        for offset, line in enumerate(block.split(b"\n")[:-1]):
            if may_be_lifecycle(line):
                yield number + offset, line


def may_be_lifecycle(text: bytes) -> bool:
    """Return whether a lifecycle event may be in *text*.

    A reader that looks for lifecycle events only can skip text for which this is False.

    Args:
        text: A line of a stream, or a block of whole lines.
    """
    # The name begins so, unless it is written with escapes.
    return b'"mlv/' in text or b"\\" in text


def state_after(state: State, name: str, data: dict[str, Any]) -> str | State:
    """Return the state of an experiment after an event of its default stream (chapter Lifecycle, State).

    Args:
        state: The state before; "open" at first.
        name: The name of the event.
        data: Its data.
    """
    if name in ("mlv/start", "mlv/resume"):
        return "open"
    if name == "mlv/pause":
        return "paused"
    if name == "mlv/end":
        return data.get("status", "open")  # type: ignore[no-any-return]
    return state


def is_paused_after(is_paused: bool, name: str) -> bool:
    """Whether a stream is paused after a lifecycle event, for a writer: whatever an end says, it ends the pause."""
    return name == "mlv/pause" or (is_paused and name not in ("mlv/start", "mlv/resume", "mlv/end"))


def superseded(rewinds: Iterable[tuple[int, dict[str, Any]]]) -> Callable[[int], bool] | None:
    """Return whether a rewind superseded the user's event of a seq, as a function; None without any rewind.

    Args:
        rewinds: The seq and the data of each ``mlv/rewind``.
    """
    ranges = [(to, seq) for seq, data in rewinds if (to := integer(data.get("to"))) is not None]
    return _between(ranges) if ranges else None


def _between(ranges: list[tuple[int, int]]) -> Callable[[int], bool]:
    """Return a function: whether a number is in any of the *ranges*, which may overlap.

    It takes time logarithmic in the number of ranges: a damaged log, or a long one, may have a rewind on each line.
    """
    from bisect import bisect_left  # a writer reads lifecycle events, too, and has no use for it

    after: list[int] = []
    before: list[int] = []
    for low, high in sorted(ranges):
        if before and low < before[-1]:  # not <=: of (1, 5) and (5, 9), neither has 5
            before[-1] = max(before[-1], high)
        elif low < high:
            after.append(low)
            before.append(high)

    def is_between(number: int) -> bool:
        place = bisect_left(after, number) - 1
        return place >= 0 and number < before[place]

    return is_between


def dropped_data(first: int, last: int, reasons: dict[str, int]) -> bytes:
    """Return the data of an ``mlv/dropped`` as JSON text.

    Args:
        first: The first seq that is left out.
        last: The last seq that is left out.
        reasons: The number of dropped events by the reason.
    """
    return dumps({"first": first, "last": last, "reasons": reasons}).encode("ascii")


def first_dropped(data: bytes) -> int:
    """Return the first seq that is left out, from data that `dropped_data` returned."""
    # Not with `json`: when the interpreter ends, it can't be imported any more.
    return int(data[len(b'{"first":') : data.index(b",")])


def dropped_reasons(data: bytes) -> dict[str, int]:
    """Return the number of dropped events by the reason, from data that `dropped_data` returned."""
    import json

    return json.loads(data)["reasons"]  # type: ignore[no-any-return]
