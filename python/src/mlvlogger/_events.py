"""Events as they are read: from a line to an `Event` (specification 1.0, chapter Events)."""

from __future__ import annotations

import json
import math
from datetime import datetime

from ._format.decode import decode
from ._format.immutable import Immutable
from ._format.json import MAX_DEPTH, MAX_INT, integer, is_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Draft", "Event", "moment", "read_event"]


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
    """An event.

    Attributes:
        stream: The path of its stream: ``log.jsonl``.
        seq: Its number in the stream.
        time: When it was logged (UTC).
        name: Its name: ``epoch/batch``.
        data: What was logged, as Python values.
        span: "begin", "end" or None.
        begin: Of an end event: the seq of the begin event.
        seconds: Of an end event: how long the span took.
        within: The seq of the begin event of the span that it lies in, or None.
        line: Where it stands in the stream, counted from 1.
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


def read_event(stream: str, number: int, line: bytes) -> Event:
    """The event on a line, which is given without its line feed.

    Raises ValueError, KeyError, TypeError or RecursionError where it breaks a rule of bytes or json, or is no event.
    """
    tree = _tree(line)
    if type(tree) is not dict or not isinstance(tree["data"], dict):
        raise ValueError("it is no JSON object, or its data is none")
    name, data, seq = tree["event"], decode(tree["data"]), integer(tree["seq"])
    if type(name) is not str or type(data) is not dict or type(seq) is not int:
        raise ValueError("event, data or seq is of another type")
    time = moment(tree["time"])
    if time is None:
        raise ValueError(f"{tree['time']!r} is no time")
    span, seconds = tree.get("span"), tree.get("seconds")
    begin, within = integer(tree.get("begin")), integer(tree.get("within"))
    if (begin, within) != (tree.get("begin"), tree.get("within")) or span not in (None, "begin", "end"):
        raise ValueError("span, begin or within is of another type")
    return Event(stream, seq, time, name, data, span, begin, seconds, within, number)


def moment(text: Any) -> datetime | None:
    """The time that *text* says, or None where it says none."""
    value = decode({"_mlv": "datetime", "value": text})
    return value if isinstance(value, datetime) else None


def _tree(line: bytes) -> Any:
    if b"\r" in line:
        raise ValueError("it has a carriage return")
    tree = _decoder.decode(line.decode("utf-8"))
    # What is read does not depend on how deep this Python can parse. Counting is cheap, and rarely more is needed.
    # Only an escape can bring in a lone surrogate.
    if (line.count(b"[") + line.count(b"{") > MAX_DEPTH or b"\\u" in line) and not is_json(tree):
        raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels, or has a lone surrogate")
    return tree


def _refuse(token: str) -> Any:
    raise ValueError(f"{token} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text} is no finite number")
    return value


def _integer(text: str) -> int:
    value = int(text)
    if not -MAX_INT <= value <= MAX_INT:
        raise ValueError("an integer is beyond those that a record can have")
    return value


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(members)
    if len(tree) != len(members):
        raise ValueError("a name occurs twice")
    return tree


_decoder = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite, parse_int=_integer, object_pairs_hook=_object)
