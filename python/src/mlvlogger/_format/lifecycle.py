"""Lifecycle events: their names, and the state that they determine (specification 1.0, chapter Lifecycle)."""

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
    "RECORD",
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
RECORD = b'"mlv/record"'
PAUSE = b'"mlv/pause"'
RESUME = b'"mlv/resume"'
REWIND = b'"mlv/rewind"'
DROPPED = b'"mlv/dropped"'
SEAL = b'"mlv/seal"'
END = b'"mlv/end"'


def is_lifecycle(name: str) -> bool:
    """Return whether an event of this name is a lifecycle event: its first segment is `mlv`."""
    return name.startswith("mlv/")


def is_seal(name: str) -> bool:
    """Return whether an event of this name is a seal: an `mlv/seal` or an `mlv/end`."""
    return name in ("mlv/seal", "mlv/end")


def lifecycle_lines(stream: str, number: int, block: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a block that may be lifecycle events, with their numbers.

    Args:
        stream: Not used: the signature is that of `quick_events`.
        number: The number of the first line of the block.
        block: Whole lines.
    """
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
    # The name of a lifecycle event begins so, unless it has escapes.
    return b'"mlv/' in text or b"\\" in text


def state_after(state: State, name: str, data: dict[str, Any]) -> str | State:
    """Return the state of an experiment after an event of its default stream (chapter Lifecycle, State).

    Args:
        state: The state before the event; "open" before the first event.
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
    """Return whether a stream is paused after an event, for a writer: an end of any status ends the pause."""
    return name == "mlv/pause" or (is_paused and name not in ("mlv/start", "mlv/resume", "mlv/end"))


def superseded(rewinds: Iterable[tuple[int, dict[str, Any]]]) -> Callable[[int], bool] | None:
    """Return a function that returns whether a rewind superseded the user's event of a seq; None without any rewind.

    Args:
        rewinds: The seq and the data of each `mlv/rewind`.
    """
    ranges = [(to, seq) for seq, data in rewinds if (to := integer(data.get("to"))) is not None]
    return _between(ranges) if ranges else None


def _between(ranges: list[tuple[int, int]]) -> Callable[[int], bool]:
    """Return a function that returns whether a number is inside any of the *ranges*, which may overlap.

    The function takes time logarithmic in the number of ranges: a damaged or long log may have a rewind on each line.
    """
    from bisect import bisect_left  # here, because writers load this module, too, and don't need it

    after: list[int] = []
    before: list[int] = []
    for low, high in sorted(ranges):
        if before and low < before[-1]:  # not <=: 5 is neither inside (1, 5) nor inside (5, 9)
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
