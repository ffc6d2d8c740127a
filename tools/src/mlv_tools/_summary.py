"""The row of `mlv ls` for an experiment, read from the ends of its streams: as little of a log as possible."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import mlvlogger
from mlv_tools._ends import LONGEST, End
from mlv_tools._trees import Found
from mlvlogger import Event, Experiment, InvalidRecord, MLVError

__all__ = ["Summary", "is_number", "summary"]

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
    more = f"(for details, run: mlv-validate {found.path})"
    try:
        log = _Log(experiment)
        state = log.state()
    except MLVError as error:
        return Summary(found, "unknown", trouble=f"{error} {more}")
    except OSError as error:
        return Summary(found, "broken", trouble=f"{error} {more}")
    others = (_last_time(experiment.path / stream) for stream in experiment.streams if stream != "log.jsonl")
    times = [time for time in (log.last, *others) if time]
    torn = f"log.jsonl ends in {log.torn} bytes without a line feed {more}" if log.torn else ""
    return Summary(found, state, max(times, default=None), log.metrics, torn)


class _Log:
    """An experiment's default stream, read from its end on.

    Attributes:
        torn: Bytes after the last line feed.
        last: The time of the last event.
        metrics: The last value of each metric that was met.
    """

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment
        self._superseded = 2**63  # events with a larger seq are
        self.torn = 0
        self.last: datetime | None = None
        self.metrics: dict[tuple[str, str], float] = {}

    def state(self) -> str:
        """As `Experiment.state`: by the last event that says so. Whole logs are searched of open experiments alone.

        Raises UnsupportedVersion as the reader does, and OSError.
        """
        if "log.jsonl" not in self._experiment.streams:
            return "open"
        with (self._experiment.path / "log.jsonl").open("rb") as file:
            end = End(file)
            self.torn = end.torn
            state = self._search(end)
            file.seek(0)
            first = _event(file.readline(LONGEST).rstrip(b"\n"))
        # The reader stops at a session of a version that it does not know, wherever that is. Mostly there is one
        # session, which the first line begins.
        is_known = first is None or _is_known(first)
        return state if state is not None and is_known and self._has_one_session() else str(self._experiment.state)

    def _search(self, end: End) -> str | None:
        """What the last event says that says a state; None where a session of another version was met before."""
        is_near = True  # has no block been passed over?
        for block in end.blocks():
            if self.last and b'"mlv/' not in block and b"\\" not in block:
                is_near = False
                continue  # of the millions of lines in a log that is open
            state: str | None = None
            for line in reversed(block.split(b"\n")[:-1]):
                if event := _event(line):
                    self.last = self.last or event.time
                    if not _is_known(event):
                        return None
                    if is_near:
                        self._note(event)
                    if state is None:
                        state = (
                            str(event.data.get("status", "open"))
                            if event.name == "mlv/end"
                            else _STATES.get(event.name)
                        )
            if state is not None:
                return state
        return "open"

    def _note(self, event: Event) -> None:
        if event.name == "mlv/rewind" and isinstance(to := event.data.get("to"), int):
            self._superseded = min(self._superseded, to)
        elif not event.name.startswith("mlv/") and event.seq <= self._superseded:
            for name, item in event.data.items():
                if is_number(item) and name != "step":
                    self.metrics.setdefault((event.name, name), item)

    def _has_one_session(self) -> bool:
        """Does every later meta record belong to another stream? A writer that continues a log adds a record.

        By this a session in the middle of a log is overlooked where its writer added none, against custom.
        """
        later = set(range(2, len(self._experiment.records) + 1))
        for stream in self._experiment.streams[1:] if later else ():
            with (self._experiment.path / stream).open("rb") as file:
                first = _event(file.readline(LONGEST).rstrip(b"\n"))
            record = first.data.get("record") if first else None
            if isinstance(record, dict):
                later.discard(record.get("number"))
        return not later


def _is_known(event: Event) -> bool:
    """Is it no begin of a session, or one of exactly the version that this reader knows?"""
    version, requires = event.data.get("mlv"), event.data.get("requires")
    return event.name != "mlv/start" or (version == mlvlogger.SPEC_VERSION and not requires)


def _event(line: bytes) -> Event | None:
    try:
        return mlvlogger.read.event(line)
    except InvalidRecord:
        return None


def _last_time(path: Path) -> datetime | None:
    try:
        with path.open("rb") as file:
            lines = (line for block in End(file).blocks() for line in reversed(block.split(b"\n")[:-1]))
            return next((event.time for event in map(_event, lines) if event), None)
    except OSError:
        return None
