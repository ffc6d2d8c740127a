"""Reading experiments: never locks, never writes, works while they are written, and reports what it skips."""

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
from .._messages import brief, warn
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
_TOLD = 5  # problems that a notebook shows, and metrics in a warning


class Problem(Immutable):
    """A part of an experiment that a reader skipped.

    Args:
        path: The file, relative to the experiment directory.
        line: The number of the line, counted from 1; None for the whole file.
        message: Why it was skipped.
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
    """An experiment, as returned by `read`.

    The metadata is read once. Events are read from the files each time you ask for them, in constant memory. The dicts
    and lists of the metadata are [read-only](#read-only-metadata).

    Attributes:
        id (str): The id of the experiment: `sha256:` and 64 hexadecimal digits (`reader.id`).
        name (str): The name, as in `meta.json`.
        kind (str): The kind, as in `meta.json`; empty if `meta.json` has none.
        created (datetime | None): When the experiment was created, in UTC; None if `meta.json` has no time.
        params (dict[str, Any]): The effective parameters, additions included, as Python values.
        extra (dict[str, Any]): The effective `extra`, additions included, as Python values.
        tags (list[str]): The effective tags, additions included.
        descriptions (list[str]): The descriptions, additions included.
        environments (list[dict[str, Any]]): The environment of each meta record, in order.
        records (list[dict[str, Any]]): The meta records as parsed JSON trees, in order.
        parent (ExperimentRef | None): The experiment that this one belongs to.
        problems (list[Problem]): The parts that were skipped so far; reading events adds to the list.

    Example:
        ```python
        from mlvlogger import Exp, read

        with Exp("runs", "my_exp_1") as exp:
            for step in range(3):
                exp.log.event("batch", step=step, loss=1 / (step + 1))

        experiment = read("runs/my_exp_1")
        print(experiment.state, experiment.streams)
        print(experiment.metric("batch", "loss"))
        ```

        ```text
        completed ['log.jsonl']
        ([0, 1, 2], [1.0, 0.5, 0.3333333333333333])
        ```
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
        """The paths of the streams of the experiment, `log.jsonl` first."""
        names = [DEFAULT] if _is_regular(self.path / DEFAULT) else []
        log = self.path / "log"
        if log.is_dir() and not log.is_symlink():
            names += sorted(
                f"log/{name}" for name in os.listdir(log) if is_stream_file(name) and _is_regular(log / name)
            )
        return names

    @property
    def continued(self) -> dict[str, list[str]]:
        """The streams that are continued in others, such as `{"log.jsonl": ["log/kept-1.jsonl"]}`.

        A writer continues in another stream if another program changes the file of the stream. To read the other
        stream, pass its path to `events`, `spans` or `metric`. It begins with all events of the stream that it
        replaces, or it has only the events after the change (`writer.kept-bytes`).
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
                pass  # reading that stream reports it
            if isinstance(replaced, str):
                continued.setdefault(replaced, []).append(path)
        return continued

    @property
    def state(self) -> str:
        """The state: `"open"`, `"paused"`, `"completed"`, `"failed"` or `"interrupted"`.

        Only the lifecycle events of `log.jsonl` determine it. `"open"` means that the log has no end yet, not that a
        process is running.
        """
        self._report_continued(DEFAULT)
        state = "open"
        for event in self._read(DEFAULT, lifecycle_lines):
            state = event.state_after(state)
        return state

    def events(
        self, pattern: str = "**", *, stream: str | None = None, rewound: bool = False, lifecycle: bool = False
    ) -> Iterator[Event]:
        """Iterate over the events of a stream, in order. Lines that can't be read are skipped and reported in
        `problems`, as is a stream in which this one is `continued`.

        Args:
            pattern: Which names: segments joined by `/`. In a segment, `*` matches any characters and `?` one
                character; the segment `**` matches any number of segments. For example `"epoch/batch"`, `"epoch/*"`,
                `"**/loss"`.
            stream: The name (`"gpu"`) or the path (`"log/gpu.jsonl"`) of the stream; by default `log.jsonl`.
            rewound: Whether to include the events that a rewind superseded (`reader.rewind`).
            lifecycle: Whether to include the lifecycle events, `mlv/…`.

        Raises:
            FileNotFoundError: If the experiment has no such stream. A missing `log.jsonl` has no events.
            UnsupportedVersion: If a session has an unknown major version or requires an unknown feature.
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
        """Iterate over the spans of a stream whose names match, as trees, in the order of their begin events.

        A matching span inside of another one is yielded, too. The spans of the stream are kept in memory. The
        exceptions are those of `events`.

        Args:
            pattern: As for `events`.
            stream: As for `events`.
            rewound: As for `events`.
        """
        matches = matcher(pattern)
        for tree in span_trees(self.events(stream=stream, rewound=rewound)):
            if matches(tree.name):
                yield tree

    def metric(self, pattern: str, name: str, *, stream: str | None = None) -> tuple[list[int], list[float]]:
        """Return the steps and the values of one metric, as two lists. Rewound events are skipped.

        If the stream has metrics but not this one, both lists are empty and there is a warning with the names of those
        it has. The exceptions are those of `events`.

        Args:
            pattern: Which events, as for `events`.
            name: The member of their data. A value is a float or an integer, NaN and infinities included; events
                without one are skipped.
            stream: As for `events`.

        Returns:
            The steps and the values. A step is the integer member `step` of the event; if an event has none, its number
                among the events of its name that have the metric, from 0.
        """
        matches = matcher(pattern)
        path = self._stream(stream)
        series = Series(name, matches, None)
        for event in self._read(path, series.skim):
            series.take(event)
            if event.name == "mlv/rewind":
                break
        else:
            if not series.values and series.names:
                self._warn_of_no_metric(pattern, name, path, list(series.names))
            return series.steps, series.values
        # Few streams have a rewind. One that has is read again, now that it matters which events count.
        series = Series(name, matches, self._superseded(path))
        for event in self._read(path, series.skim):
            series.take(event)
        if not series.values and (names := self.metric_names(stream=stream)):
            self._warn_of_no_metric(pattern, name, path, names)
        return series.steps, series.values

    def metric_names(self, *, stream: str | None = None) -> list[tuple[str, str]]:
        """Return the metrics of a stream: the name of the event and of the metric, in the order of their first values.

        Rewound events are skipped. The exceptions are those of `events`.

        Args:
            stream: As for `events`.
        """
        path = self._stream(stream)
        series = Series("", lambda name: False, None)
        for event in self._read(path, series.skim):
            series.take(event)
            if event.name == "mlv/rewind":
                break
        else:
            return list(series.names)
        return list(dict.fromkeys((event.name, name) for event in self.events(stream=stream) for name in event.metrics))

    def _warn_of_no_metric(self, pattern: str, name: str, path: str, names: list[tuple[str, str]]) -> None:
        """Warn that no event has a metric. A member of that name whose values aren't numbers is reported, too."""
        where = f"{self.path}: no event of {path} that matches {pattern!r} has a metric {brief(name)}."
        for event in self.events(pattern, stream=path):
            if name in event.data:
                warn(f"{where} The member has other values, such as {brief(event.data[name])}. Log numbers.")
                return
        known = ", ".join(map(brief, names[:_TOLD]))
        more = f", and {len(names) - _TOLD} more: see metric_names()" if len(names) > _TOLD else ""
        warn(f"{where} Choose one of the events and metrics: {known}{more}.")

    def subs(self) -> Iterator[Experiment]:
        """Iterate over the sub-experiments, nested ones included, in the order of their paths.

        A sub-experiment that can't be read is skipped with a warning.
        """
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
        found: dict[tuple[str, str, str], Spark] = {}
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
        """Read the experiment at `path`.

        Reading takes no locks, writes nothing, follows no symbolic links below the directory, and works while the
        experiment is being written.

        Args:
            path: The directory of the experiment.

        Raises:
            NotAnExperiment: If `path` doesn't exist, or isn't the directory of an experiment.
            InvalidRecord: If `meta.json` is damaged.
            UnsupportedVersion: If a meta record has an unknown major version or requires an unknown feature
                (`reader.major`, `reader.requires`).
            OSError: If `meta.json` can't be opened.
        """
        return Experiment(path)

    def event(self, line: bytes) -> Event:
        """Parse one line of a stream, for other readers that should agree with this one.

        Args:
            line: The bytes of the line, without its line feed.

        Returns:
            The event, with an empty `stream` and the `line` 0.

        Raises:
            InvalidRecord: If a reader must skip the line; the message gives the reason (`reader.garbled`).
        """
        try:
            return read_event("", 0, line)
        except _NO_EVENT as error:
            raise InvalidRecord(_no_event(error)) from None

    def all(self, root: str | os.PathLike[str]) -> Iterator[Experiment]:
        """Iterate over the experiments in and below a directory, sub-experiments included, in the order of their paths.

        An experiment that can't be read is skipped with a warning.

        Args:
            root: The directory.

        Raises:
            FileNotFoundError: If `root` isn't a directory.
        """
        if not os.path.exists(root):
            raise FileNotFoundError(f"{os.fspath(root)!r} does not exist. Pass an existing directory.")
        if not os.path.isdir(root):
            raise FileNotFoundError(f"{os.fspath(root)!r} isn't a directory. Pass the directory that contains it.")
        for directory in _experiments(Path(root)):
            yield from _readable(directory)


read: _Read = _Read()
