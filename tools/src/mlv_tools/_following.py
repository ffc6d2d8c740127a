"""Following the streams of an experiment: new events as they are written, of streams that begin later, too."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import IO

import mlvlogger
from mlv_tools._ends import LONGEST, End
from mlvlogger import Event, Experiment, InvalidRecord

__all__ = ["Follower"]

_CHUNK = 1024 * 1024


class Follower:
    """Reads what is added to an experiment.

    A line counts when its line feed is there. Nothing is locked, and nothing waits.

    Attributes:
        left_out: How many lines weren't events.
    """

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment
        self._places: dict[str, int] = {}
        self._spans: dict[str, dict[int, int]] = {}
        self.left_out = 0

    def last(self, count: int) -> list[tuple[str, Event, int]]:
        """The last events of all streams, in the order of their times; what is added from here on is `new`."""
        found: list[tuple[str, Event, int]] = []
        for stream in self._experiment.streams:
            lines: deque[bytes] = deque()
            with (self._experiment.path / stream).open("rb") as file:
                end = End(file)
                self._places[stream] = end.size
                for block in end.blocks():
                    if len(lines) >= count:
                        break
                    lines.extendleft(reversed(block.split(b"\n")[:-1]))
            found += self._events(stream, list(lines)[-count:] if count else [])
        return sorted(found, key=lambda one: one[1].time)[-count:] if count else []

    def new(self) -> Iterator[tuple[str, Event, int]]:
        """What was added since: stream, event, and in how many spans it is."""
        for stream in self._experiment.streams:
            while lines := self._added(stream):
                yield from self._events(stream, lines)

    def _added(self, stream: str) -> list[bytes]:
        """The next lines that are whole, about a mebibyte of them; b"" for one that is too long."""
        place = self._places.get(stream, 0)
        with (self._experiment.path / stream).open("rb") as file:
            file.seek(place)
            data = file.read(_CHUNK)
            if b"\n" not in data and len(data) == _CHUNK:
                data += file.readline(LONGEST - _CHUNK)
                if not data.endswith(b"\n") and len(data) == LONGEST:
                    return self._skip(stream, file)
        whole = data[: data.rfind(b"\n") + 1]
        self._places[stream] = place + len(whole)
        return whole.split(b"\n")[:-1]

    def _skip(self, stream: str, file: IO[bytes]) -> list[bytes]:
        while data := file.readline(_CHUNK):
            if data.endswith(b"\n"):
                self._places[stream] = file.tell()
                return [b""]
        return []

    def _events(self, stream: str, lines: list[bytes]) -> Iterator[tuple[str, Event, int]]:
        for line in lines:
            try:
                event = mlvlogger.read.event(line)
            except InvalidRecord:
                self.left_out += 1
                continue
            yield stream, event, self._depth(stream, event)

    def _depth(self, stream: str, event: Event) -> int:
        """In how many spans an event is, as far as their begins were seen."""
        spans = self._spans.setdefault(stream, {})
        if event.name in ("mlv/start", "mlv/rewind"):
            spans.clear()
        if event.span == "end" and event.begin is not None:
            return spans.pop(event.begin, 0)
        depth = spans.get(event.within, -1) + 1 if event.within is not None else 0
        if event.span == "begin":
            spans[event.seq] = depth
        return depth
