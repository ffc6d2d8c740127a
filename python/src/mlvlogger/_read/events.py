"""Reading one event: from a line to an `Event` (specification 1.0, chapter Events)."""

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
    """An event whose attributes can still be set. To make it an `Event`, assign its `__class__`.

    Constructing an `Event` takes a microsecond more, as long as parsing its data.
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
        """Whether the event is a lifecycle event, `mlv/…`."""
        return is_lifecycle(self.name)

    @property
    def is_seal(self) -> bool:
        """Whether the event is a seal: an `mlv/seal` or an `mlv/end`. Only `mlv-validate` checks the digest."""
        return is_seal(self.name)

    @property
    def step(self) -> int | None:
        """The step of the metrics: the integer member `step` of the data, or None."""
        return step(self.data)

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics by name: the floats and integers of the data, except `step`. A lifecycle event has none."""
        return {} if is_lifecycle(self.name) else metrics(self.data)

    def state_after(self, state: State) -> str | State:
        """Return the state of an experiment after this event of its default stream.

        To compute `Experiment.state`, start with `"open"` and call this method for each event of `log.jsonl`, in order.
        A reader that goes through the log backwards can stop at the first event that changes a value.

        Args:
            state: The state before the event, or any other value.

        Returns:
            The state after the event; *state* itself if the event doesn't change it.
        """
        return state_after(state, self.name, self.data)


def read_event(stream: str, number: int, line: bytes) -> Event:
    """Return the event on a line.

    Args:
        stream: The path of the stream.
        number: The number of the line.
        line: The bytes of the line, without the line feed.

    Raises:
        ValueError: If the line breaks a rule of the chapter Bytes, or a member has a wrong value.
        KeyError: If a member is missing.
        TypeError: If a member has a wrong type.
        RecursionError: If the line is nested too deep for this Python.
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
    """Return the time that a string of a record represents, or None if it isn't a time."""
    value = decode({"_mlv": "datetime", "value": text})
    return value if isinstance(value, datetime) else None
