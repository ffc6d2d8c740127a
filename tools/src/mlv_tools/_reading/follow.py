"""Following an experiment: new events of all streams as they are written, new streams included."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import IO

import mlvlogger
from mlv_tools._reading.tail_reader import TailReader
from mlvlogger import MAX_RECORD, Event, Experiment, InvalidRecord

__all__ = ["Follower"]

_CHUNK = 1024 * 1024


class Follower:
    """Reads the events that are added to an experiment, without locks and without waiting.

    A line is read once its line feed is written.

    Attributes:
        left_out: The number of lines that aren't events.
    """

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment
        self._offsets: dict[str, int] = {}
        self._spans: dict[str, dict[int, int]] = {}
        self.left_out = 0

    def last(self, count: int) -> list[tuple[str, Event, int]]:
        """Return the last *count* events of all streams by time, as `new` does. `new` continues after them."""
        found: list[tuple[str, Event, int]] = []
        for stream in self._experiment.streams:
            lines: deque[bytes] = deque()
            with (self._experiment.path / stream).open("rb") as file:
                tail = TailReader(file)
                self._offsets[stream] = tail.size
                for block in tail.blocks():
                    if len(lines) >= count:
                        break
                    lines.extendleft(reversed(block.split(b"\n")[:-1]))
            found += self._events(stream, list(lines)[-count:] if count else [])
        return sorted(found, key=lambda one: one[1].time)[-count:] if count else []

    def new(self) -> Iterator[tuple[str, Event, int]]:
        """Yield the events that were added since the last call: stream, event, and the number of enclosing spans."""
        for stream in self._experiment.streams:
            while lines := self._added(stream):
                yield from self._events(stream, lines)

    def _added(self, stream: str) -> list[bytes]:
        """Return the next whole lines, about a mebibyte of them; b"" is a line that is too long."""
        offset = self._offsets.get(stream, 0)
        with (self._experiment.path / stream).open("rb") as file:
            file.seek(offset)
            data = file.read(_CHUNK)
            if b"\n" not in data and len(data) == _CHUNK:
                data += file.readline(MAX_RECORD - _CHUNK)
                if not data.endswith(b"\n") and len(data) == MAX_RECORD:
                    return self._skip(stream, file)
        whole = data[: data.rfind(b"\n") + 1]
        self._offsets[stream] = offset + len(whole)
        return whole.split(b"\n")[:-1]

    def _skip(self, stream: str, file: IO[bytes]) -> list[bytes]:
        while data := file.readline(_CHUNK):
            if data.endswith(b"\n"):
                self._offsets[stream] = file.tell()
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
        """Return the number of spans that enclose an event, as far as the begin events were read."""
        spans = self._spans.setdefault(stream, {})
        if event.name in ("mlv/start", "mlv/rewind"):  # both close all spans
            spans.clear()
        if event.span == "end" and event.begin is not None:
            return spans.pop(event.begin, 0)
        depth = spans.get(event.within, -1) + 1 if event.within is not None else 0
        if event.span == "begin":
            spans[event.seq] = depth
        return depth
