"""Reading experiments: never locks, never writes, works while they are written, and says what it had to leave out."""

from __future__ import annotations

import os
import stat
from itertools import islice
from pathlib import Path

from .._disk.blocks import blocks
from .._disk.folder import Directory, open_regular
from .._errors import InvalidRecord, MLVError, UnsupportedVersion
from .._format.decode import decode_members
from .._format.immutable import Immutable
from .._format.lifecycle import lifecycle_lines, superseded
from .._format.names import DEFAULT, is_stream_file, stream_name, stream_path
from .._messages import warn
from .._version import check_version
from .events import Event, moment, read_event
from .existing import ExistingExperiment
from .fast import Series, quick_events
from .meta import is_experiment, load
from .patterns import matcher
from .readonly import read_only
from .search import walk
from .spans import SpanTree, span_trees

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from typing import Any, ClassVar, TypeAlias

    # From a stream's path, the number of a line and the block that begins there: events, and numbered lines to read.
    Skim: TypeAlias = Callable[[str, int, bytes], Iterator[Event | tuple[int, bytes]]]

__all__ = ["Event", "Problem", "Experiment", "SpanTree", "read"]

_IN_NOTEBOOKS = 200_000  # events of a stream that a notebook's picture is of: they take about a second
_TOLD = 5  # problems that a notebook shows


class Problem(Immutable):
    """Something that a reader left out.

    Args:
        path: Of the file, in the experiment.
        line: Where in it, counted from 1; None for the whole file.
        message: Why.
    """

    __slots__ = __match_args__ = ("path", "line", "message")

    path: str
    line: int | None
    message: str

    def __init__(self, path: str, line: int | None, message: str) -> None:
        self._set(path, line, message)

    def __str__(self) -> str:
        return f"{self.path}{'' if self.line is None else f':{self.line}'}: {self.message}"


class Experiment(ExistingExperiment):
    """An experiment that is read: what `read` and `Exp.find` return. It is never written to.

    Its meta is read once; events are read from the files each time they are asked for, in constant memory.

    Attributes:
        path: The directory: a path that leads there now.
        id: The experiment's id, ``sha256:`` and 64 digits.
        name, kind: As in meta.json.
        parent_ref: An `ExperimentRef` to the experiment that this one belongs to, as it was recorded, or None.
        created: When it was made (UTC), None where meta.json does not say.
        params, extra: The effective ones, additions included: a read-only dict of Python values.
        tags, descriptions: Read-only lists of strings, additions included.
        environments: One dict per meta record, in order.
        records: The meta records as they were parsed, JSON trees.
        problems: What had to be left out so far, a list of `Problem`; reading events adds to it.
        default_stream: The path of the default stream, ``log.jsonl``, of every experiment.

    A change of the metadata raises TypeError or AttributeError, which names the call that records an addition.
    """

    default_stream: ClassVar[str] = DEFAULT
    _last_attribute: ClassVar[str] = "_told"

    def __init__(self, path: str | os.PathLike[str]) -> None:
        meta = load(Path(path))
        self._directory = Directory(path)
        self._take(meta)
        self.records: list[dict[str, Any]] = read_only(meta.records, "records", self)
        self.created: datetime | None = moment(meta.records[0].get("created"))
        self.descriptions: list[str] = read_only(meta.descriptions, "descriptions", self)
        environments = [decode_members(environment) for environment in meta.environments]
        self.environments: list[dict[str, Any]] = read_only(environments, "environments", self)
        self.problems: list[Problem] = [Problem(name, None, message) for name, message in meta.problems]
        self._told = set(self.problems)

    @property
    def streams(self) -> list[str]:
        """The paths of the streams that are there, ``log.jsonl`` first."""
        names = [DEFAULT] if _is_regular(self.path / DEFAULT) else []
        log = self.path / "log"
        if log.is_dir() and not log.is_symlink():
            names += sorted(
                f"log/{name}" for name in os.listdir(log) if is_stream_file(name) and _is_regular(log / name)
            )
        return names

    @property
    def continued(self) -> dict[str, list[str]]:
        """The streams whose writer continued in others, because another program had changed the file, with the others.

        ``{"log.jsonl": ["log/kept-1.jsonl"]}``; empty if nothing was changed. To read such a stream, pass its path to
        `events`, `spans` or `metric`. It begins with all lines of the stream that it replaces, or only follows them.
        """
        kept = [path for path in self.streams if path.startswith("log/kept-")]
        continued: dict[str, list[str]] = {}
        for path in sorted(kept, key=lambda path: (len(path), path)):
            replaced = None  # the last one: a copy of a kept stream has the lines of that one, too
            try:
                for event in self._read(path, lifecycle_lines):
                    if event.name == "mlv/start" and isinstance(event.data.get("replaces"), dict):
                        replaced = event.data["replaces"].get("stream")
            except UnsupportedVersion:
                pass  # whoever reads that stream is told
            if isinstance(replaced, str):
                continued.setdefault(replaced, []).append(path)
        return continued

    @property
    def state(self) -> str:
        """ "open", "paused", "completed", "failed" or "interrupted": by the lifecycle events of ``log.jsonl`` alone.

        "open" says that the log has no end yet, not that something is running.
        """
        self._report_continued(DEFAULT)
        state = "open"
        for event in self._read(DEFAULT, lifecycle_lines):
            state = event.state_after(state)
        return state

    def events(
        self, pattern: str = "**", *, stream: str | None = None, rewound: bool = False, lifecycle: bool = False
    ) -> Iterator[Event]:
        """The events of a stream, in order.

        Args:
            pattern: Which names: segments joined by ``/``; in a segment ``*`` stands for any characters and ``?`` for
                one; the segment ``**`` for any number of segments. ``"epoch/batch"``, ``"epoch/*"``, ``"**/loss"``.
            stream: Of which stream: its name (``"gpu"``) or path (``"log/gpu.jsonl"``); by default ``log.jsonl``.
            rewound: Also those that a rewind superseded.
            lifecycle: Also the lifecycle events, ``mlv/…``.

        Raises:
            FileNotFoundError: there is no such stream (a missing ``log.jsonl`` has no events).
            UnsupportedVersion: a session is of an unknown major version, or requires an unknown feature.

        Lines that cannot be read are left out, and told in `problems`, as is a stream in which this one `continued`.
        """
        matches = matcher(pattern)
        path = self._stream(stream)
        is_hidden = None if rewound else self._superseded(path)
        for event in self._read(path):
            if event.is_lifecycle:
                if lifecycle and matches(event.name):
                    yield event
            elif matches(event.name) and not (is_hidden and is_hidden(event.seq)):
                yield event

    def spans(self, pattern: str = "**", *, stream: str | None = None, rewound: bool = False) -> Iterator[SpanTree]:
        """The spans of a stream whose names match, as trees, in the order of their begin; inner ones that match too.

        Arguments and errors as for `events`. The open spans of the stream are in memory, and those that are returned.
        """
        matches = matcher(pattern)
        for tree in span_trees(self.events(stream=stream, rewound=rewound)):
            if matches(tree.name):
                yield tree

    def metric(self, pattern: str, name: str, *, stream: str | None = None) -> tuple[list[int], list[float]]:
        """The steps and the values of one metric: the member *name* of the events that match *pattern*.

        A value is a float or an integer, NaN and infinities included; the step is the integer member ``step`` of the
        event, or where it has none the number of the event among those of its name with the metric, from 0. Rewound
        events are left out. Errors as for `events`.
        """
        matches = matcher(pattern)
        path = self._stream(stream)
        series = Series(name, matches, None)
        for event in self._read(path, series.skim):
            series.take(event)
            if event.name == "mlv/rewind":
                break
        else:
            return series.steps, series.values
        # Few streams have a rewind. One that has is read again, now that it matters which events count.
        series = Series(name, matches, self._superseded(path))
        for event in self._read(path, series.skim):
            series.take(event)
        return series.steps, series.values

    def subs(self) -> Iterator[Experiment]:
        """The sub-experiments, nested ones included, in the order of their paths; broken ones are warned of."""
        for directory in _experiments(self.path, below=True):
            yield from _readable(directory)

    def _stream(self, stream: str | None) -> str:
        """The path of a stream that is about to be read. Raises FileNotFoundError."""
        if stream is None or stream == DEFAULT:
            path = DEFAULT
        else:
            path = stream if stream.startswith("log/") else stream_path(stream)
            if path not in self.streams:
                raise FileNotFoundError(
                    f"{self.path} has no stream {stream!r}. It has: {', '.join(self.streams) or 'none'}."
                )
        self._report_continued(path)
        return path

    def _report_continued(self, path: str) -> None:
        for kept in self.continued.get(path, ()):
            name = stream_name(kept)
            self._problem(
                path,
                None,
                "another program changed the file while it was being written, and the writer continued in "
                f"{kept}. To read the events there, pass stream={name!r}.",
            )

    def _superseded(self, path: str) -> Callable[[int], bool] | None:
        """Whether a rewind superseded the user's event of a seq; None where there is no rewind."""
        events = self._read(path, lifecycle_lines)
        return superseded((event.seq, event.data) for event in events if event.name == "mlv/rewind")

    def _problem(self, path: str, line: int | None, message: str) -> None:
        problem = Problem(path, line, message)
        if problem not in self._told:
            self._told.add(problem)
            self.problems.append(problem)

    def _read(self, path: str, skim: Skim = quick_events) -> Iterator[Event]:
        """The events of a stream on those lines that *skim* gives of each block, up to the size that it has now."""
        try:
            file = open_regular(self.path / path)
        except FileNotFoundError:
            return
        except OSError as error:
            self._problem(path, None, f"it cannot be read: {error}")
            return
        first = 1  # the number of the first line of a block
        with file:
            for block, _ in blocks(file, os.fstat(file.fileno()).st_size):
                if block is None:
                    self._problem(path, first, "the line is longer than 16 MiB and was left out")
                    first += 1
                    continue
                for found in skim(path, first, block):
                    if isinstance(found, tuple):
                        number, line = found
                        try:
                            found = read_event(path, number, line)
                        except _NO_EVENT as error:
                            self._problem(path, number, f"{_no_event(error)} and was left out")
                            continue
                        if found.name == "mlv/start":
                            where = f"the session on line {number} of {self.path / path}"
                            check_version(found.data.get("mlv"), found.data.get("requires"), where)
                    yield found
                first += block.count(b"\n")

    def _repr_html_(self) -> str:
        """What a notebook shows: state, parameters, and a small curve of each metric of the first events."""
        from .notebook import Spark, card, sparks

        facts: dict[str, Any] = {"directory": str(self.path), "kind": self.kind, "id": self.id}
        facts["tags"] = ", ".join(map(str, self.tags))
        facts["created"] = f"{self.created:%Y-%m-%d %H:%M:%S} UTC" if self.created else None
        facts["description"] = "\n".join(map(str, self.descriptions))
        found: dict[str, Spark] = {}
        notes = []
        try:
            facts["state"] = self.state
            for stream in self.streams:
                events = self.events(stream=stream)
                sparks(islice(events, _IN_NOTEBOOKS), found)
                if next(events, None):
                    notes.append(f"Of {stream} only the first {_IN_NOTEBOOKS} events were read for this.")
        except (MLVError, OSError) as error:
            notes.append(str(error))
        return card(self.name, facts, self.params, found, [*notes, *map(str, self.problems[:_TOLD])])


_NO_EVENT = (ValueError, KeyError, TypeError, RecursionError)


def _no_event(error: Exception) -> str:
    return f"the line isn't an event ({type(error).__name__}: {str(error)[:100]})"


def _is_regular(path: Path) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def _experiments(root: Path, below: bool = False) -> Iterator[Path]:
    """The experiment directories in and below *root*, in order; no links are followed."""
    for directory, _, error in walk(root, is_experiment):
        if error is not None:
            warn(f"{directory} could not be searched: {error}")
        elif not (below and directory == root):
            yield directory


def _readable(directory: Path) -> Iterator[Experiment]:
    try:
        yield Experiment(directory)
    except (MLVError, OSError) as error:
        warn(f"left out: {error}")


class _Read:
    """``read(path)`` reads an experiment, ``read.all(root)`` all of a directory, ``read.event(line)`` one line."""

    def __call__(self, path: str | os.PathLike[str]) -> Experiment:
        """The experiment at *path*.

        Raises:
            NotAnExperiment: there is none.
            InvalidRecord: its meta.json is damaged.
            UnsupportedVersion: a meta record is of an unknown major version, or requires an unknown feature.
            OSError: meta.json cannot be opened.
        """
        return Experiment(path)

    def event(self, line: bytes) -> Event:
        """The event on one line of a stream, which is given without its line feed: for other readers to agree with.

        Of which stream and line it is, is not known here: its *stream* is empty and its *line* 0.
        Raises InvalidRecord where a reader leaves the line out, and says why (`reader.garbled`).
        """
        try:
            return read_event("", 0, line)
        except _NO_EVENT as error:
            raise InvalidRecord(_no_event(error)) from None

    def all(self, root: str | os.PathLike[str]) -> Iterator[Experiment]:
        """Every experiment in and below *root*, sub-experiments included, in the order of their paths.

        One that cannot be read is left out with a warning. Raises FileNotFoundError where *root* does not exist.
        """
        if not Path(root).is_dir():
            raise FileNotFoundError(f"{os.fspath(root)!r} isn't a directory")
        for directory in _experiments(Path(root)):
            yield from _readable(directory)


read: _Read = _Read()
