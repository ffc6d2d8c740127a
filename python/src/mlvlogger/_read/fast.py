"""Lines as writers write them, read the quick way (specification 1.0, chapters Events and Metrics).

The full way, `read_event`, takes any line apart and checks each part. The quick way finds those lines of a block
that have the form that writers give them, all with one regular expression. What it says of a line, the full way would
say too, and a test holds it to that; of any other line it says nothing, and that one must be read in full.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from functools import lru_cache

from .._format.decode import decode
from .._format.json import MAX_DEPTH, MAX_INT
from .._format.lifecycle import is_lifecycle
from .._format.metrics import is_metric, step
from .._format.plain import CLOCK, COUNT, NUMBER, TEXT
from .events import Draft, Event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, TypeAlias

    # The name of an event; names and tokens of the members of its data.
    Shape: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]

__all__ = ["Series", "quick_events"]

# A user's event. Its data has no escapes and only ASCII; whether it is JSON is still to be seen. After it, the span.
_LINE = re.compile(
    rf'\{{"seq":({COUNT}),"time":"([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T{CLOCK})Z","event":"((?!mlv/){TEXT})",'
    r'"data":(\{[ -\[\]-~]*\})((?:,"(?:span|begin|within)":[^\n}]*)?)\}\n'
    r"|[^\n]*\n"
)
_SPAN = re.compile(rf'(?:,"span":"(begin|end)"|)(?:,"begin":({COUNT}),"seconds":({NUMBER})|)(?:,"within":({COUNT})|)')
_scan = json.JSONDecoder().scan_once  # type: ignore[attr-defined]


def quick_events(stream: str, number: int, block: bytes) -> Iterator[Event | tuple[int, bytes]]:
    """The events of a block of lines, in order, and the lines that must be read in full, with their numbers.

    Args:
        stream: The path of the stream.
        number: Of the first line.
    """
    # Latin-1 gives a character for each byte.
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
    """The data of an event. Raises ValueError, StopIteration or RecursionError if the full way must read it."""
    tree: dict[str, Any]
    tree, end = _scan(text, 0)
    # Each name has a colon after it, and all other colons are in strings. Were a name there twice, there would be a
    # colon too many.
    if end != len(text) or text.count(":") != len(tree) + _colons(tree.values(), MAX_DEPTH - 2):
        raise ValueError
    if "_mlv" in text:
        tree = decode(tree)
        if type(tree) is not dict:
            raise ValueError
    return tree


@lru_cache(maxsize=64)
def _span(text: str) -> tuple[str | None, int | None, float | None, int | None]:
    """The span, begin, seconds and within of an event, of which most have the same as the one before."""
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
    """How many colons the texts and the containers among *parts* have in them.

    Raises ValueError for a number that a record cannot have, and where containers are nested more than *levels* deep.
    """
    if levels < 0:
        raise ValueError
    colons = 0
    for part in parts:
        kind = type(part)
        if kind is float:
            if part - part != 0:  # it is infinite, or NaN
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
_NAME = re.compile(rf"(?!_+mlv\Z){TEXT}")  # of a member that no `_` is taken off

_MAX_SHAPES = 32  # a line of another shape is compared with all of them
_MAX_MEMBERS = 64
_MAX_LEARNED = 32  # events of a block


class Series:
    """The steps and values of one metric, taken from lines without making events of them.

    Most lines of a log look like one another: the same event, with the same members of its data, and other numbers.
    Each event that was read in full gives its *shape*, and the shapes together a regular expression that has all names
    in it and space for numbers.

    Args:
        metric: Its name.
        matches: Does an event of this name count?
        is_hidden: Does an event of this seq not count, although its name does? None where all of them count.

    Attributes:
        steps, values: What was found so far.
        names: All metrics that were found so far, by event and name. Every shape comes from an event that was read in
            full, so those events have all names.
    """

    def __init__(self, metric: str, matches: Callable[[str], bool], is_hidden: Callable[[int], bool] | None) -> None:
        self.steps: list[int] = []
        self.values: list[float] = []
        self.names: dict[tuple[str, str], None] = {}
        self._metric = metric
        self._matches = matches
        self._is_hidden = is_hidden
        self._counts: dict[str, int] = {}
        self._event: Event | None = None  # the last that was read in full
        self._date = _DATE  # that of the last on one of the days that not all months have: it exists
        self._shapes: dict[Shape, None] = {}
        self._compile()

    def take(self, event: Event) -> None:
        """Take the value of an event that was read in full, if it has one and counts."""
        self._event = event
        for name in event.metrics:
            self.names.setdefault((event.name, name))
        value = event.data.get(self._metric)
        if not is_metric(value) or not self._counts_in(event.name):
            return
        if self._is_hidden is None or not self._is_hidden(event.seq):
            number = self._counts.get(event.name, 0)
            self._counts[event.name] = number + 1
            step = event.step
            self.steps.append(number if step is None else step)
            self.values.append(value)

    def skim(self, stream: str, number: int, block: bytes) -> Iterator[tuple[int, bytes]]:
        """Take the values of a block of lines, and give those lines that must be read in full, with their numbers.

        If one of these lines is an event, it must be given to `take` before the next line is asked for.

        Args:
            stream: The path of the stream.
            number: Of the first line.
        """
        known = (self._date, len(self._shapes))
        learned = done = 0
        found = self._regex.findall(block.decode("latin-1"))
        for at in [at for at, parts in enumerate(found) if parts[-1]]:
            self._take(found[done:at])
            done = at + 1
            self._event = None
            yield number + at, found[at][-1][:-1].encode("latin-1")
            if self._event is not None and learned < _MAX_LEARNED:
                learned += 1
                self._learn(self._event)
        self._take(found[done:])
        if known != (self._date, len(self._shapes)):
            self._compile()

    def _take(self, found: list[tuple[str, ...]]) -> None:
        """Take the values of lines that have known shapes."""
        if len(self._places) == 1:
            self._take_alike(found, *self._places[0])
        else:
            for parts in found:
                for place in self._places:
                    self._take_alike([parts], *place)

    def _take_alike(self, found: list[tuple[str, ...]], name: str, value: int, step: int | None) -> None:
        """Take the values at one place, of those lines that have one there."""
        found = [parts for parts in found if parts[value]]
        if self._is_hidden is not None:
            found = [parts for parts in found if not self._is_hidden(int(parts[0]))]
        tokens = [parts[value] for parts in found]
        self.values += [float(token) if "." in token else _number(token) for token in tokens]
        count = self._counts.get(name, 0)
        self._counts[name] = count + len(found)
        if step is None:
            self.steps += range(count, count + len(found))
            return
        tokens = [parts[step] for parts in found]
        try:
            steps = [*map(int, tokens)]
            if steps and max(map(abs, steps)) >= 2**63:
                raise ValueError
        except ValueError:  # one of them has a fraction or an exponent, or isn't a step
            steps = [_step(token, number) for number, token in enumerate(tokens, count)]
        self.steps += steps

    def _counts_in(self, name: str) -> bool:
        return not is_lifecycle(name) and self._matches(name)

    def _learn(self, event: Event) -> None:
        if event.time.day > 28:
            self._date = event.time.date().isoformat()
        if is_lifecycle(event.name) or len(event.data) > _MAX_MEMBERS or len(self._shapes) == _MAX_SHAPES:
            return
        members = tuple((name, _TOKENS.get(type(value), "")) for name, value in event.data.items())
        if all(token for _, token in members) and all(map(_NAME.fullmatch, (event.name, *event.data))):
            self._shapes[event.name, members] = None

    def _compile(self) -> None:
        self._places: list[tuple[str, int, int | None]] = []  # of a value and its step among the groups
        groups = 0 if self._is_hidden is None else 1  # that of the seq; capturing it is expensive
        count = COUNT if self._is_hidden is None else f"({COUNT})"
        shapes = []
        for event, members in self._shapes:
            wanted = (self._metric, "step") if (self._metric, NUMBER) in members and self._counts_in(event) else ()
            places: dict[str, int] = {}
            texts = []
            for name, token in members:
                if name in wanted and token is NUMBER:
                    places[name] = groups
                    groups += 1
                    token = f"({token})"
                texts.append(re.escape(f'"{name}":') + token)
            if wanted:
                self._places.append((event, places[self._metric], places.get("step")))
            shapes.append(re.escape(event) + r'","data":\{' + ",".join(texts) + r"\}")
        head = rf'\{{"seq":{count},"time":"(?:{self._date}|{_DATE})T{CLOCK}Z","event":"'
        # With two groups at least, also where there is no value: `findall` then gives tuples.
        self._regex = re.compile(rf"{head}(?:{'|'.join(shapes) or '(?!)'}){_AFTER}\}}\n|()([^\n]*\n)")


def _number(token: str) -> float:
    return float(token) if "." in token or "e" in token or "E" in token else int(token)


def _step(token: str, number: int) -> int:
    found = step({"step": _number(token)})
    return number if found is None else found
