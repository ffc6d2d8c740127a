"""The facts of one row of `mlv ls`, read from the ends of the streams and as little of a log as possible."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any, TypeGuard

import mlvlogger
from mlv_tools._reading.tail_reader import TailReader
from mlv_tools._reading.trees import Found, details, state_of, unread
from mlv_tools._reading.writers import writer
from mlvlogger import MAX_RECORD, Event, Experiment, InvalidRecord, MLVError, may_be_lifecycle

__all__ = ["Summary", "summary"]

_UNKNOWN = object()  # the state before any event that changes it was read


@dataclass(frozen=True)
class Summary:
    """The facts about an experiment that need no reading of whole logs.

    Attributes:
        found: The experiment.
        state: As `Experiment.state`; "broken" if the metadata cannot be read, "unknown" if the log isn't a regular
            file, or is of a version that cannot be read.
        last: The time of the last event in any stream; None if there is none.
        metrics: The last values of the metrics near the end of the default stream, by event and name.
        garbled: How many lines aren't events, of those at the end of the default stream that were read; "" if none.
        trouble: Why the experiment is broken, unknown or torn, which parts of it aren't read, and which streams are
            continued in others; "" otherwise.
        writer: Of an open experiment, whether its writer is "running", "stopped" or "not known"; "" otherwise.
    """

    found: Found
    state: str
    last: datetime | None = None
    metrics: dict[tuple[str, str], float] = field(default_factory=dict)
    trouble: str = ""
    garbled: str = ""
    writer: str = ""

    @property
    def params(self) -> dict[str, Any]:
        """The effective parameters; a broken experiment has none."""
        return self.found.experiment.params if self.found.experiment else {}


def summary(found: Found) -> Summary:
    """Summarize an experiment. If it cannot be read, the summary says so and nothing is raised."""
    experiment = found.experiment
    if experiment is None:
        return Summary(found, "broken", trouble=found.error)
    hint = details(found.path)
    left_out = unread(experiment)
    problems = [f"{problem} {hint}" for problem in experiment.problems if problem.path not in left_out]
    problems += [f"{reason} {hint}" for reason in left_out.values()]
    if experiment.default_stream in left_out:
        return Summary(found, "unknown", trouble="; ".join(problems))
    try:
        log = _Log(experiment)
        state = log.state()
    except MLVError as error:
        return Summary(found, "unknown", trouble=f"{error} {hint}")
    except OSError as error:
        return Summary(found, "broken", trouble=f"{error} {hint}")
    others = [stream for stream in experiment.streams if stream != experiment.default_stream]
    times = [time for time in (log.last, *(_last_time(experiment.path / stream) for stream in others)) if time]
    torn = f"{experiment.default_stream} ends in {log.torn} bytes without a line feed {hint}" if log.torn else ""
    continued = [f"{stream} is continued in {', '.join(kept)}" for stream, kept in experiment.continued.items()]
    garbled = f"at least {log.garbled} lines of {experiment.default_stream} aren't events and were left out {hint}"
    trouble = "; ".join(problems + [torn] * bool(torn) + continued)
    return Summary(
        found,
        state,
        max(times, default=None),
        log.metrics,
        trouble,
        garbled if log.garbled else "",
        writer(experiment, state)[0],
    )


class _Log:
    """The default stream of an experiment, read from its end.

    Attributes:
        torn: The number of bytes after the last line feed.
        last: The time of the last event.
        metrics: The last value of each metric that was read.
        garbled: The number of lines that were read and aren't events.
    """

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment
        self._superseded_after: float = 2**63  # a rewind that was read supersedes the events with a larger seq
        self.torn = 0
        self.last: datetime | None = None
        self.metrics: dict[tuple[str, str], float] = {}
        self.garbled = 0

    def state(self) -> str:
        """Return the state, as `Experiment.state` does. Only the log of an open experiment is read as a whole.

        Raises:
            UnsupportedVersion: If the reader doesn't know the version of a session.
            OSError: If the log cannot be read.
        """
        if self._experiment.default_stream not in self._experiment.streams:
            return state_of(self._experiment)
        with (self._experiment.path / self._experiment.default_stream).open("rb") as file:
            tail = TailReader(file)
            self.torn = tail.torn
            state = self._search(tail)
            first = _first_event(file)
        # The reader stops at a session of an unknown version, wherever the session is. Most logs have one session,
        # which begins on the first line.
        is_known = first is None or _is_known(first)
        return state if state is not None and is_known and self._has_one_session() else str(self._experiment.state)

    def _search(self, tail: TailReader) -> str | None:
        """Return the state after the last event that changes it; None if a session of another version came first."""
        is_near = True  # whether no block was skipped
        for block in tail.blocks():
            if self.last and not may_be_lifecycle(block):
                is_near = False  # an open log has millions of such lines
                continue
            state: object = _UNKNOWN
            for line in reversed(block.split(b"\n")[:-1]):
                event = _event(line)
                self.garbled += event is None
                if event:
                    self.last = self.last or event.time
                    if not _is_known(event):
                        return None
                    if is_near:
                        self._note(event)
                    if state is _UNKNOWN:
                        state = event.state_after(_UNKNOWN)
            if state is not _UNKNOWN:
                return str(state)
        return "open"

    def _note(self, event: Event) -> None:
        # Going backwards, the smallest `to` of the rewinds so far decides which events are superseded.
        if event.name == "mlv/rewind" and _is_integer(to := event.data.get("to")):
            self._superseded_after = min(self._superseded_after, to)
        elif event.seq <= self._superseded_after:
            for name, value in event.metrics.items():
                self.metrics.setdefault((event.name, name), value)

    def _has_one_session(self) -> bool:
        """Return whether every later metadata record belongs to another stream.

        A writer that resumes a log adds a record. If a writer added none, its session in the middle of the log is
        overlooked.
        """
        later = set(range(2, len(self._experiment.records) + 1))
        for stream in self._experiment.streams[1:] if later else ():
            with (self._experiment.path / stream).open("rb") as file:
                first = _first_event(file)
            record = first.data.get("record") if first else None
            if isinstance(record, dict) and _is_integer(number := record.get("number")):
                later.discard(number)
        return not later


def _is_known(event: Event) -> bool:
    """Return whether an event doesn't begin a session, or begins one of exactly the version that this reader knows."""
    version, requires = event.data.get("mlv"), event.data.get("requires")
    return event.name != "mlv/start" or (version == mlvlogger.SPEC_VERSION and not requires)


def _is_integer(value: Any) -> TypeGuard[float]:
    """Return whether a member of a record is an integer in any spelling: 5.0 is 5, but true isn't 1."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value % 1 == 0


def _event(line: bytes) -> Event | None:
    try:
        return mlvlogger.read.event(line)
    except InvalidRecord:
        return None


def _first_event(file: IO[bytes]) -> Event | None:
    file.seek(0)
    return _event(file.readline(MAX_RECORD).rstrip(b"\n"))


def _last_time(path: Path) -> datetime | None:
    try:
        with path.open("rb") as file:
            return next((event.time for event in map(_event, TailReader(file).lines()) if event), None)
    except OSError:
        return None
