"""The fast path for reading lines in the form that writers give them (specification 1.0, Events and Metrics).

`read_event` parses any line in full, and checks each part. The fast path finds all lines of a block that have the usual
form, with one regular expression. For these lines, it gives the same events as `read_event`, as a test checks; every
other line must be read with `read_event`.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from functools import lru_cache

from .._format.decode import decode
from .._format.json import MAX_DEPTH, MAX_INT
from .._format.lifecycle import is_lifecycle
from .._format.metrics import is_metric, position, step
from .._format.plain import CLOCK, COUNT, NUMBER, TEXT
from .events import Draft, Event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, TypeAlias

    # The name of an event, and for each member of its data, the name and the regular expression of the value.
    Shape: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]

__all__ = ["Series", "quick_events"]

# A user's event. Its data is ASCII without escapes, and may still not be JSON. The members of a span follow it.
_LINE = re.compile(
    rf'\{{"seq":({COUNT}),"time":"([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T{CLOCK})Z","event":"((?!mlv/){TEXT})",'
    r'"data":(\{[ -\[\]-~]*\})((?:,"(?:span|begin|within)":[^\n}]*)?)\}\n'
    r"|[^\n]*\n"
)
_SPAN = re.compile(rf'(?:,"span":"(begin|end)"|)(?:,"begin":({COUNT}),"seconds":({NUMBER})|)(?:,"within":({COUNT})|)')
_scan = json.JSONDecoder().scan_once  # type: ignore[attr-defined]


def quick_events(stream: str, number: int, block: bytes) -> Iterator[Event | tuple[int, bytes]]:
    """Yield the events of a block of lines in order, and the numbered lines that must be read in full.

    Args:
        stream: The path of the stream.
        number: The number of the first line.
        block: Whole lines.
    """
    # Latin-1 decodes each byte to one character.
    found = _LINE.findall(block.decode("latin-1"))
    for line, (seq, time, name, data, span) in zip(block.split(b"\n"), found, strict=False):
        try:
            event = Draft()
            event.seq = int(seq)
            event.data = _data(data)
            event.time = datetime.fromisoformat(time + "+00:00")
            event.span, event.begin, event.seconds, event.within = _span(span)
            event.stream = stream
            event.name = name
            event.line = number
            event.__class__ = Event
        except (ValueError, StopIteration, RecursionError):
            yield number, line
        else:
            yield event  # type: ignore[misc]
        number += 1


def _data(text: str) -> dict[str, Any]:
    """Return the data of an event. After an exception, the line must be read in full.

    Raises:
        ValueError: If the text doesn't have the usual form.
        StopIteration: If the text isn't JSON.
        RecursionError: If the text is nested too deep for this Python.
    """
    tree: dict[str, Any]
    tree, end = _scan(text, 0)
    # Each name has a colon after it, and all other colons are in strings. If a name occurs twice, there are more colons
    # than the tree explains.
    if end != len(text) or text.count(":") != len(tree) + _colons(tree.values(), MAX_DEPTH - 2):
        raise ValueError
    if "_mlv" in text:
        tree = decode(tree)
        if type(tree) is not dict:
            raise ValueError
    return tree


@lru_cache(maxsize=64)
def _span(text: str) -> tuple[str | None, int | None, float | None, int | None]:
    """Return the span, begin, seconds and within of an event. They often equal those of the event before."""
    match = _SPAN.fullmatch(text)
    if match is None:
        raise ValueError
    span, begin, seconds, within = match.groups()
    return (
        span,
        int(begin) if begin else None,
        _number(seconds) if seconds else None,
        int(within) if within else None,
    )


def _colons(parts: Iterable[Any], levels: int) -> int:
    """Return the number of colons in the JSON of *parts*.

    Raises:
        ValueError: If a record can't have one of the numbers, or containers are nested more than *levels* deep.
    """
    if levels < 0:
        raise ValueError
    colons = 0
    for part in parts:
        kind = type(part)
        if kind is float:
            if part - part != 0:  # infinite or NaN
                raise ValueError
        elif kind is int:
            if not -MAX_INT <= part <= MAX_INT:
                raise ValueError
        elif kind is str:
            colons += part.count(":")
        elif kind is dict:
            colons += len(part) + _colons(part.values(), levels - 1)
        elif kind is list:
            colons += _colons(part, levels - 1)
    return colons


_TOKENS = {float: NUMBER, int: NUMBER, str: f'"{TEXT}"', bool: "(?:true|false)", type(None): "null"}
_DATE = "(?!0000)[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"  # every month has these days
_WITHIN = f'(?:,"within":{COUNT}|)'
_AFTER = f'(?:,"span":"begin"{_WITHIN}|,"span":"end","begin":{COUNT},"seconds":{NUMBER}|{_WITHIN})'
_NAME = re.compile(rf"(?!_+mlv\Z){TEXT}")  # the name of a member that isn't escaped

_MAX_SHAPES = 32  # a line of another shape is compared with all of them
_MAX_MEMBERS = 64
_MAX_LEARNED = 32  # events of a block whose shapes are added


class Series:
    """The positions and values of one metric, read from lines without making events of them.

    Most lines of a log differ only in their numbers: the event and the names of the members are the same. Each event
    that was read in full adds its *shape*; from all shapes, one regular expression is made, with groups for the
    numbers.

    Args:
        metric: The name of the metric.
        matches: A function that returns whether events of a name are included.
        is_superseded: A function that returns whether the event of a seq is superseded, and so not included. None if no
            event is superseded.
        axis_of: A function that returns the member that gives the positions, for events of a name.

    Attributes:
        positions: The positions that were found so far.
        values: The values that were found so far, one for each position.
        left_out: How many values have no position, by the axis.
        names: All metrics that were found so far, by event and name. Every shape comes from an event that was read in
            full, so those events have all names.
    """

    def __init__(
        self,
        metric: str,
        matches: Callable[[str], bool],
        is_superseded: Callable[[int], bool] | None,
        axis_of: Callable[[str], str] = lambda name: "step",
    ) -> None:
        self.positions: list[float] = []
        self.left_out: dict[str, int] = {}
        self._axis_of = axis_of
        self.values: list[float] = []
        self.names: dict[tuple[str, str], None] = {}
        self._metric = metric
        self._matches = matches
        self._is_superseded = is_superseded
        self._counts: dict[str, int] = {}
        self._event: Event | None = None  # the last event that was read in full
        # The last date of an event with a day that not every month has. That this date exists was checked.
        self._date = _DATE
        self._shapes: dict[Shape, None] = {}
        self._compile()

    def add(self, event: Event) -> None:
        """Add the value of an event that was read in full, if the event has one and is included."""
        self._event = event
        for name in event.metrics:
            self.names.setdefault((event.name, name))
        value = event.data.get(self._metric)
        if not is_metric(value) or not self._is_included(event.name):
            return
        if self._is_superseded is None or not self._is_superseded(event.seq):
            axis = self._axis_of(event.name)
            at = position(event.data, axis)
            if axis == "step":
                number = self._counts.get(event.name, 0)
                self._counts[event.name] = number + 1
                at = number if at is None else at
            if at is None:
                self.left_out[axis] = self.left_out.get(axis, 0) + 1
                return
            self.positions.append(at)
            self.values.append(value)

    def read_block(self, stream: str, number: int, block: bytes) -> Iterator[tuple[int, bytes]]:
        """Add the values of a block of lines, and yield the numbered lines that must be read in full.

        If a yielded line is an event, pass the event to `add` before you request the next line.

        Args:
            stream: Not used: the signature is that of `quick_events`.
            number: The number of the first line.
            block: Whole lines.
        """
        known = (self._date, len(self._shapes))
        learned = done = 0
        found = self._regex.findall(block.decode("latin-1"))
        for index in [index for index, parts in enumerate(found) if parts[-1]]:
            self._add_matches(found[done:index])
            done = index + 1
            self._event = None
            yield number + index, found[index][-1][:-1].encode("latin-1")
            if self._event is not None and learned < _MAX_LEARNED:
                learned += 1
                self._learn_shape(self._event)
        self._add_matches(found[done:])
        if known != (self._date, len(self._shapes)):
            self._compile()

    def _add_matches(self, found: list[tuple[str, ...]]) -> None:
        """Add the values of lines that have known shapes."""
        if len(self._groups) == 1:
            self._add_group(found, *self._groups[0])
        else:
            for parts in found:
                for groups in self._groups:
                    self._add_group([parts], *groups)

    def _add_group(self, found: list[tuple[str, ...]], name: str, value: int, at: int | None) -> None:
        """Add the values of one group, from the lines in which the group matched.

        Args:
            found: The groups of each line.
            name: The name of the event.
            value: The index of the value's group.
            at: The index of the position's group, or None if the event doesn't have the member as a number.
        """
        found = [parts for parts in found if parts[value]]
        if self._is_superseded is not None:
            found = [parts for parts in found if not self._is_superseded(int(parts[0]))]
        if (axis := self._axis_of(name)) != "step":
            if at is None:
                self.left_out[axis] = self.left_out.get(axis, 0) + len(found)
                return
            self.positions += [_number(parts[at]) for parts in found]
        tokens = [parts[value] for parts in found]
        self.values += [float(token) if "." in token else _number(token) for token in tokens]
        if axis == "step":
            self._add_steps(found, name, at)

    def _add_steps(self, found: list[tuple[str, ...]], name: str, at: int | None) -> None:
        count = self._counts.get(name, 0)
        self._counts[name] = count + len(found)
        if at is None:
            self.positions += range(count, count + len(found))
            return
        tokens = [parts[at] for parts in found]
        try:
            steps = [*map(int, tokens)]
            if steps and max(map(abs, steps)) >= 2**63:
                raise ValueError
        except ValueError:  # one of them has a fraction or an exponent, or isn't a step
            steps = [_step(token, number) for number, token in enumerate(tokens, count)]
        self.positions += steps

    def _is_included(self, name: str) -> bool:
        return not is_lifecycle(name) and self._matches(name)

    def _learn_shape(self, event: Event) -> None:
        if event.time.day > 28:
            self._date = event.time.date().isoformat()
        if is_lifecycle(event.name) or len(event.data) > _MAX_MEMBERS or len(self._shapes) == _MAX_SHAPES:
            return
        members = tuple((name, _TOKENS.get(type(value), "")) for name, value in event.data.items())
        if all(token for _, token in members) and all(map(_NAME.fullmatch, (event.name, *event.data))):
            self._shapes[event.name, members] = None

    def _compile(self) -> None:
        self._groups: list[tuple[str, int, int | None]] = []  # event name; indices of the groups of value and position
        group_count = 0 if self._is_superseded is None else 1  # the group of the seq; capturing it is expensive
        count = COUNT if self._is_superseded is None else f"({COUNT})"
        shapes = []
        for event, members in self._shapes:
            axis = self._axis_of(event)
            wanted = (self._metric, axis) if (self._metric, NUMBER) in members and self._is_included(event) else ()
            groups: dict[str, int] = {}
            texts = []
            for name, token in members:
                if name in wanted and token is NUMBER:
                    groups[name] = group_count
                    group_count += 1
                    token = f"({token})"
                texts.append(re.escape(f'"{name}":') + token)
            if wanted:
                self._groups.append((event, groups[self._metric], groups.get(axis)))
            shapes.append(re.escape(event) + r'","data":\{' + ",".join(texts) + r"\}")
        head = rf'\{{"seq":{count},"time":"(?:{self._date}|{_DATE})T{CLOCK}Z","event":"'
        # There are at least two groups, also if there is no value, so that `findall` gives tuples.
        self._regex = re.compile(rf"{head}(?:{'|'.join(shapes) or '(?!)'}){_AFTER}\}}\n|()([^\n]*\n)")


def _number(token: str) -> float:
    return float(token) if "." in token or "e" in token or "E" in token else int(token)


def _step(token: str, number: int) -> int:
    found = step({"step": _number(token)})
    return number if found is None else found
