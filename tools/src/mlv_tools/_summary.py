"""What one row of `mlv ls` knows of an experiment, read from the ends of its streams: no more of a log than it must."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import mlvlogger
from mlv_tools._trees import Found
from mlvlogger import Event, Experiment, InvalidRecord, MLVError

__all__ = ["Summary", "backwards", "is_number", "summary"]

_BLOCK = 64 * 1024
_STATES = {"mlv/start": "open", "mlv/resume": "open", "mlv/pause": "paused"}


@dataclass(frozen=True)
class Summary:
    """What is known of an experiment without reading its logs as a whole.

    Attributes:
        found: Where it is.
        state: As `Experiment.state`; "broken" where the meta cannot be read, "unknown" where the log is of a version
            that cannot be read.
        last: The time of its last event, of whatever stream; None where there is none.
        metrics: The last values of the metrics that are near the end of ``log.jsonl``: by (event, name).
        trouble: Why it is broken, unknown or torn, for people; "" where all is well.
    """

    found: Found
    state: str
    last: datetime | None = None
    metrics: dict[tuple[str, str], float] = field(default_factory=dict)
    trouble: str = ""

    @property
    def params(self) -> dict[str, Any]:
        """The effective parameters; none of a broken experiment."""
        return self.found.experiment.params if self.found.experiment else {}


def is_number(item: object) -> bool:
    """Is it a metric's value, by the specification: a number, special ones included?"""
    return isinstance(item, (int, float)) and not isinstance(item, bool)


def summary(found: Found) -> Summary:
    """The summary of an experiment. It is found broken rather than that this raises."""
    experiment = found.experiment
    if experiment is None:
        return Summary(found, "broken", trouble=found.error)
    more = f"(mlv-validate {found.path} tells more)"
    try:
        end = _End(experiment)
        state = end.state()
    except MLVError as error:
        return Summary(found, "unknown", trouble=f"{error} {more}")
    except OSError as error:
        return Summary(found, "broken", trouble=f"{error} {more}")
    times = [time for stream in experiment.streams if (time := _last_time(experiment.path / stream))]
    torn = f"log.jsonl ends in {end.torn} bytes without a line feed {more}" if end.torn else ""
    return Summary(found, state, max(times, default=None), end.metrics, torn)


def backwards(path: Path) -> Iterator[bytes]:
    """The bytes of a stream in blocks of whole lines, from its end on; first, what is behind its last line feed."""
    with path.open("rb") as file:
        place = file.seek(0, os.SEEK_END)
        rest = b""
        is_torn = True  # until the last line feed is found
        while place > 0:
            size = min(_BLOCK, place)
            place -= size
            file.seek(place)
            block = file.read(size) + rest
            cut = block.find(b"\n") + 1
            if is_torn and cut:
                end = block.rfind(b"\n") + 1
                yield block[end:]
                block, is_torn = block[:end], False
            rest, block = (block[:cut], block[cut:]) if cut and place else (block, b"") if place else (b"", block)
            if block:
                yield block
        yield rest


class _End:
    """The end of an experiment's default stream, read backwards.

    Attributes:
        torn: Bytes behind the last line feed.
        metrics: The last value of each metric that was met.
    """

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment
        self._superseded = 2**63  # events with a larger seq are
        self.torn = 0
        self.metrics: dict[tuple[str, str], float] = {}

    def state(self) -> str:
        """By the last event that says so. Whole logs are read of open experiments alone, and quickly."""
        if "log.jsonl" not in self._experiment.streams:
            return "open"
        state = ""
        for number, block in enumerate(backwards(self._experiment.path / "log.jsonl")):
            if number == 0:
                self.torn = len(block)
                continue
            if number > 1 and b'"mlv/' not in block and b"\\" not in block:
                continue  # millions of lines, in a log that is open
            for line in reversed(block.split(b"\n")):
                try:
                    event = mlvlogger.read.event(line)
                except InvalidRecord:
                    continue
                self._note(event)
                state = state or self._says(event)
            if state:
                return state
        return "open"

    def _says(self, event: Event) -> str:
        state = str(event.data.get("status", "open")) if event.name == "mlv/end" else _STATES.get(event.name, "")
        if state:
            self._check()
        return state

    def _note(self, event: Event) -> None:
        if event.name == "mlv/rewind" and isinstance(to := event.data.get("to"), int):
            self._superseded = min(self._superseded, to)
        elif not event.name.startswith("mlv/") and event.seq <= self._superseded:
            for name, item in event.data.items():
                if is_number(item) and name != "step":
                    self.metrics.setdefault((event.name, name), float(item))

    def _check(self) -> None:
        """Raise UnsupportedVersion where the reader would, of any session. Of one session, the first line tells."""
        if len(self._experiment.records) > 1:
            _ = self._experiment.state  # it reads all sessions
            return
        with (self._experiment.path / "log.jsonl").open("rb") as file:
            first = file.readline(_BLOCK)
        if b'"mlv":"1.0"' not in first or b'"requires"' in first:
            _ = self._experiment.state


def _last_time(path: Path) -> datetime | None:
    try:
        for number, block in enumerate(backwards(path)):
            for line in reversed(block.split(b"\n")) if number > 0 else ():
                try:
                    return mlvlogger.read.event(line).time
                except InvalidRecord:
                    continue
    except OSError:
        pass
    return None
