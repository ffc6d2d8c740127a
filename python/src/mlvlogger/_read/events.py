"""Events as they are read: from a line to an `Event` (specification 1.0, chapter Events)."""

from __future__ import annotations

from datetime import datetime

from .._format.decode import decode
from .._format.immutable import Immutable
from .._format.json import integer
from .._format.lifecycle import is_lifecycle, is_seal, state_after
from .._format.metrics import metrics, step
from .._format.parse import parse_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    State = TypeVar("State")

__all__ = ["NOT_AN_EVENT", "Draft", "Event", "parse_time", "read_event", "why_not_an_event"]

NOT_AN_EVENT = (ValueError, KeyError, TypeError, RecursionError)
"""The exceptions that `read_event` raises for a line that isn't an event."""


class Draft:
    """What an `Event` is before it is read-only: filled first, it is made an event by its `__class__`.

    An event that is read-only from its beginning takes a microsecond more, as long as parsing its data.
    """

    __slots__ = ("begin", "data", "line", "name", "seconds", "seq", "span", "stream", "time", "within")

    stream: str
    seq: int
    time: datetime
    name: str
    data: dict[str, Any]
    span: str | None
    begin: int | None
    seconds: float | None
    within: int | None
    line: int


class Event(Immutable, Draft):
    """An event of a stream. It is immutable.

    Args:
        stream: The path of the stream, such as `log.jsonl`.
        seq: The number of the event in its stream, from 1.
        time: When the event was logged, in UTC.
        name: The name, such as `epoch/batch`.
        data: The data, as Python values.
        span: `"begin"`, `"end"` or None.
        begin: For an end event, the `seq` of the begin event.
        seconds: For an end event, the duration of the span in seconds.
        within: The `seq` of the begin event of the span that the event is in, or None.
        line: The number of the line in the stream, from 1.
    """

    __slots__ = ()
    __match_args__ = ("stream", "seq", "time", "name", "data", "span", "begin", "seconds", "within", "line")

    def __init__(
        self,
        stream: str,
        seq: int,
        time: datetime,
        name: str,
        data: dict[str, Any],
        span: str | None,
        begin: int | None,
        seconds: float | None,
        within: int | None,
        line: int,
    ) -> None:
        self._set(stream, seq, time, name, data, span, begin, seconds, within, line)

    @property
    def is_lifecycle(self) -> bool:
        """Whether it is a lifecycle event, ``mlv/…``."""
        return is_lifecycle(self.name)

    @property
    def is_seal(self) -> bool:
        """Whether it is a seal: an ``mlv/seal`` or an ``mlv/end``. `mlv-validate` checks whether the seal is right."""
        return is_seal(self.name)

    @property
    def step(self) -> int | None:
        """The step of its metrics: the integer member ``step`` of its data, or None."""
        return step(self.data)

    @property
    def metrics(self) -> dict[str, float]:
        """Its metrics by name: the floats and integers of its data, except ``step``. A lifecycle event has none."""
        return {} if is_lifecycle(self.name) else metrics(self.data)

    def state_after(self, state: State) -> str | State:
        """Return the state of an experiment after this event of its default stream.

        To compute `Experiment.state`, start with ``"open"`` and call this for each event of ``log.jsonl``, in order.
        A reader that goes through the log backwards can stop at the first event that changes a value.

        Args:
            state: The state before the event; it is returned if the event doesn't change the state.
        """
        return state_after(state, self.name, self.data)


def read_event(stream: str, number: int, line: bytes) -> Event:
    """The event on a line, which is given without its line feed.

    Raises ValueError, KeyError, TypeError or RecursionError where it breaks a rule of bytes or json, or isn't an event.
    """
    tree = parse_line(line)
    if type(tree) is not dict or not isinstance(tree["data"], dict):
        raise ValueError("it isn't a JSON object, or its data isn't one")
    name, data, seq = tree["event"], decode(tree["data"]), integer(tree["seq"])
    if type(name) is not str or type(data) is not dict or type(seq) is not int:
        raise ValueError("event, data or seq is of another type")
    time = parse_time(tree["time"])
    if time is None:
        raise ValueError(f"{tree['time']!r} isn't a time")
    span, seconds = tree.get("span"), tree.get("seconds")
    begin, within = integer(tree.get("begin")), integer(tree.get("within"))
    if (begin, within) != (tree.get("begin"), tree.get("within")) or span not in (None, "begin", "end"):
        raise ValueError("span, begin or within is of another type")
    return Event(stream, seq, time, name, data, span, begin, seconds, within, number)


def why_not_an_event(error: Exception) -> str:
    """Return the reason in a message for one of the exceptions `NOT_AN_EVENT`."""
    return f"the line isn't an event ({type(error).__name__}: {str(error)[:100]})"


def parse_time(text: Any) -> datetime | None:
    """The time that *text* says, or None where it says none."""
    value = decode({"_mlv": "datetime", "value": text})
    return value if isinstance(value, datetime) else None
