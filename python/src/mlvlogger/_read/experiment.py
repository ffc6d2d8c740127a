"""Reading an experiment: without locks and writes, also while it is being written; skipped parts are reported."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from .._disk.blocks import blocks
from .._disk.folder import Directory, check_path, open_regular
from .._errors import MLVError, NotAnExperiment, UnsupportedVersion
from .._format.decode import decode_members
from .._format.immutable import Immutable
from .._format.lifecycle import lifecycle_lines, superseded
from .._format.names import DEFAULT_STREAM, is_stream_file, stream_name, stream_path
from .._messages import brief, warn
from .._version import check_version
from .changes import Change, Changes
from .events import NOT_AN_EVENT, Event, parse_time, read_event, why_not_an_event
from .existing import ExistingExperiment
from .fast import Series, quick_events
from .meta import load
from .patterns import matcher
from .readonly import read_only
from .search import leads_outside, walk
from .spans import SpanTree, span_trees

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from typing import Any, ClassVar, TypeAlias

    # A function of a stream's path, the number of a line, and the block of lines that begins with that line. It yields
    # events, and numbered lines that `read_event` must read.
    BlockReader: TypeAlias = Callable[[str, int, bytes], Iterator[Event | tuple[int, bytes]]]

__all__ = ["Experiment", "Problem", "readable_experiments", "search"]

_LISTED = 5  # metrics in a warning
# What a reader leaves out if an entry isn't of the type that `layout.types` requires; of other streams, their events.
_LEFT_OUT = {
    "meta": "the additions in it were left out",
    "log": "the streams in it were left out",
    DEFAULT_STREAM: "its events were left out",
}


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
        params (dict[str, Any]): The effective parameters, additions and changes included, as Python values
            (`reader.meta`).
        extra (dict[str, Any]): The effective `extra`, additions and changes included, as Python values.
        first_params (dict[str, Any]): The parameters as they were first recorded, additions included.
        changes (list[Change]): The values that later sessions changed, in order (`reader.changes`).
        tags (list[str]): The effective tags, additions included.
        descriptions (list[str]): The descriptions, additions included.
        environments (list[dict[str, Any]]): The environment of each meta record that has one, in order.
        records (list[dict[str, Any]]): The meta records as parsed JSON trees, in order.
        parent (ExperimentRef | None): The experiment that this one belongs to.
        problems (list[Problem]): The parts that were skipped so far; reading events adds to the list.
        torn (dict[str, Problem]): The streams with bytes after the last line feed, of the streams that were read to the
            end so far. These bytes aren't part of the log (`reader.torn`): a writer is writing them, or a crash left
            them.

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

    default_stream: ClassVar[str] = DEFAULT_STREAM
    _last_attribute: ClassVar[str] = "_reported"

    def __init__(self, path: str | os.PathLike[str]) -> None:
        check_path(Path(path, "meta.json"), "Pass the directory of an experiment.", NotAnExperiment, path)
        meta = load(Path(path))
        self._directory = Directory(path)
        self._load_meta(meta)
        self._values = Changes(meta)
        self.first_params: dict[str, Any] = read_only(self._values.first("params"), "first_params", self)
        self.changes: list[Change] = read_only(self._values.list(DEFAULT_STREAM), "changes", self)
        self.records: list[dict[str, Any]] = read_only(meta.records, "records", self)
        self.created: datetime | None = parse_time(meta.records[0].get("created"))
        self.descriptions: list[str] = read_only(meta.descriptions, "descriptions", self)
        environments = [decode_members(environment) for environment in meta.environments]
        self.environments: list[dict[str, Any]] = read_only(environments, "environments", self)
        problems = (*meta.problems, *_wrong_types(os.fspath(path)))
        self.problems: list[Problem] = [Problem(name, None, message) for name, message in problems]
        self.torn: dict[str, Problem] = {}
        self._reported = set(self.problems)

    @property
    def streams(self) -> list[str]:
        """The paths of the streams of the experiment, `log.jsonl` first."""
        names = [DEFAULT_STREAM] if _is_regular(self.path / DEFAULT_STREAM) else []
        log = self.path / "log"
        if log.is_dir() and not log.is_symlink():
            names += sorted(
                f"log/{name}" for name in os.listdir(log) if is_stream_file(name) and _is_regular(log / name)
            )
        return names

    @property
    def continued(self) -> dict[str, list[str]]:
        """The streams that are continued in other streams, such as `{"log.jsonl": ["log/kept-1.jsonl"]}`.

        A writer continues in another stream if another program changes the file of the stream. To read the other
        stream, pass its path to `events`, `spans` or `metric`. It begins with all events of the stream that it
        replaces, or it has only the events after the change (`writer.kept-bytes`).
        """
        kept = [path for path in self.streams if path.startswith("log/kept-")]
        continued: dict[str, list[str]] = {}
        for path in sorted(kept, key=lambda path: (len(path), path)):
            replaced = None  # the last one counts: if the other stream was replaced, too, the copy also has its lines
            try:
                for event in self._read(path, lifecycle_lines):
                    if event.name == "mlv/start" and isinstance(event.data.get("replaces"), dict):
                        replaced = event.data["replaces"].get("stream")
            except UnsupportedVersion:
                pass  # reading that stream raises the error
            if isinstance(replaced, str):
                continued.setdefault(replaced, []).append(path)
        return continued

    @property
    def state(self) -> str:
        """The state: `"open"`, `"paused"`, `"completed"`, `"failed"` or `"interrupted"`.

        Only the lifecycle events of `log.jsonl` determine it. `"open"` means that the log has no end yet, or that
        no log exists, not that a process is running.

        Raises:
            UnsupportedVersion: If a session of the log has an unknown major version or requires an unknown feature.
            OSError: If the log can't be read, so that the state isn't known.
        """
        self._report_continued(DEFAULT_STREAM)
        state = "open"
        for event in self._read(DEFAULT_STREAM, lifecycle_lines, must_open=True):
            state = event.state_after(state)
        return state

    def record_at(self, event: Event) -> int | None:
        """Return the number of the meta record that an event was logged under, None if the log names none.

        It is the record that the last `mlv/start` or `mlv/record` up to the event names. The exceptions are those of
        `events`.

        Args:
            event: An event of this experiment.
        """
        return self._values.record_at(event, self._read(event.stream, lifecycle_lines))

    def params_at(self, where: Event | int) -> dict[str, Any]:
        """Return the parameters that were in force for an event, or under a meta record (`reader.in-force`).

        `params` has the latest values of the main work; this method has those that the event was logged with. A further
        script or a worker may have values of its own. The exceptions are those of `events`.

        Args:
            where: An event of this experiment, or the number of a meta record.

        Returns:
            The parameters; {} if the event is under no record, or there is no record of this number.
        """
        return self._values.in_force("params", where if isinstance(where, int) else self.record_at(where))

    def extra_at(self, where: Event | int) -> dict[str, Any]:
        """Return the members of `extra` that were in force for an event, or under a meta record, like `params_at`.

        Args:
            where: An event of this experiment, or the number of a meta record.
        """
        return self._values.in_force("extra", where if isinstance(where, int) else self.record_at(where))

    def events(
        self, pattern: str = "**", *, stream: str | None = None, rewound: bool = False, lifecycle: bool = False
    ) -> Iterator[Event]:
        """Iterate over the events of a stream, in order.

        Lines that can't be read are skipped and reported in `problems`, as is a stream in which this one is
        `continued`.

        Args:
            pattern: The pattern of the names: segments joined by `/`. In a segment, `*` matches any characters and `?`
                one character; the segment `**` matches any number of segments. For example `"epoch/batch"`,
                `"epoch/*"`, `"**/loss"`.
            stream: The name (`"gpu"`) or the path (`"log/gpu.jsonl"`) of the stream; by default `log.jsonl`.
            rewound: Whether to include the events that a rewind superseded (`reader.rewind`).
            lifecycle: Whether to include the lifecycle events, `mlv/…`.

        Raises:
            FileNotFoundError: By the first iteration, not by the call: if the experiment has no such stream. A missing
                `log.jsonl` has no events.
            UnsupportedVersion: Likewise, if a session has an unknown major version or requires an unknown feature.
        """
        matches = matcher(pattern)
        path = self._stream_to_read(stream)
        is_superseded = None if rewound else self._superseded(path)
        for event in self._read(path):
            if event.is_lifecycle:
                if lifecycle and matches(event.name):
                    yield event
            elif matches(event.name) and not (is_superseded and is_superseded(event.seq)):
                yield event

    def spans(self, pattern: str = "**", *, stream: str | None = None, rewound: bool = False) -> Iterator[SpanTree]:
        """Iterate over the spans of a stream whose names match, as trees, in the order of their begin events.

        A matching span inside another one is yielded, too. The spans of the stream are stored in memory. The exceptions
        are those of `events`.

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
            pattern: As for `events`.
            name: The member of the data. A value is a float or an integer, NaN and infinities included; events without
                this member are skipped.
            stream: As for `events`.

        Returns:
            The steps and the values. A step is the integer member `step` of the event; if an event has none, its number
                among the events of its name that have the metric, from 0.
        """
        matches = matcher(pattern)
        path = self._stream_to_read(stream)
        series = Series(name, matches, None)
        for event in self._read(path, series.read_block):
            series.add(event)
            if event.name == "mlv/rewind":
                break
        else:
            if not series.values and series.names:
                self._warn_of_no_metric(pattern, name, path, list(series.names))
            return series.steps, series.values
        # Few streams have a rewind. They are read again, without the superseded events.
        series = Series(name, matches, self._superseded(path))
        for event in self._read(path, series.read_block):
            series.add(event)
        if not series.values and (names := self.metric_names(stream=stream)):
            self._warn_of_no_metric(pattern, name, path, names)
        return series.steps, series.values

    def metric_names(self, *, stream: str | None = None) -> list[tuple[str, str]]:
        """Return the metrics of a stream: the name of the event and of the metric, in the order of their first values.

        Rewound events are skipped. The exceptions are those of `events`.

        Args:
            stream: As for `events`.
        """
        path = self._stream_to_read(stream)
        series = Series("", lambda name: False, None)
        for event in self._read(path, series.read_block):
            series.add(event)
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
        known = ", ".join(map(brief, names[:_LISTED]))
        more = f", and {len(names) - _LISTED} more: see metric_names()" if len(names) > _LISTED else ""
        warn(f"{where} Choose one of the events and metrics: {known}{more}.")

    def subs(self) -> Iterator[Experiment]:
        """Iterate over the sub-experiments, nested ones included, in the order of their paths.

        A sub-experiment that can't be read is skipped with a warning.
        """
        yield from readable_experiments(self.path, below=True)

    def _stream_to_read(self, stream: str | None) -> str:
        """Return the path of a stream that the user asks for, and report in which streams it continues.

        Raises:
            FileNotFoundError: If there is no such stream.
        """
        if stream is None or stream == DEFAULT_STREAM:
            path = DEFAULT_STREAM
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
        """Return a function that returns whether the user's event of a seq is superseded; None without a rewind."""
        events = self._read(path, lifecycle_lines)
        return superseded((event.seq, event.data) for event in events if event.name == "mlv/rewind")

    def _problem(self, path: str, line: int | None, message: str) -> None:
        problem = Problem(path, line, message)
        if problem not in self._reported:
            self._reported.add(problem)
            self.problems.append(problem)

    def _read(self, path: str, read_block: BlockReader = quick_events, must_open: bool = False) -> Iterator[Event]:
        """Yield the events that *read_block* finds in the blocks of a stream, up to its current size.

        If the system can't open the file, there are no events and there is a problem, or with *must_open*, an OSError.
        """
        try:
            file = open_regular(self.path / path)
        except FileNotFoundError:
            return
        except OSError as error:
            reason = _wrong_type(self._directory.path, path)
            if must_open and not reason:
                raise
            self._problem(path, None, reason or f"it cannot be read: {error}")
            return
        first = 1  # the number of the first line of a block
        with file:
            torn = os.fstat(file.fileno()).st_size
            for block, length in blocks(file, torn):
                torn -= length
                if block is None:
                    self._problem(path, first, "the line is longer than 16 MiB and was left out")
                    first += 1
                    continue
                for found in read_block(path, first, block):
                    if isinstance(found, tuple):
                        number, line = found
                        try:
                            found = read_event(path, number, line)
                        except NOT_AN_EVENT as error:
                            self._problem(path, number, f"{why_not_an_event(error)} and was left out")
                            continue
                        if found.name == "mlv/start":
                            session = f"the session on line {number} of {self.path / path}"
                            check_version(found.data.get("mlv"), found.data.get("requires"), session)
                    yield found
                first += block.count(b"\n")
        self.torn.pop(path, None)
        if torn:
            last = "byte has no line feed after it and isn't"
            if torn > 1:
                last = f"{torn} bytes have no line feed after them and aren't"
            self.torn[path] = Problem(path, None, f"the last {last} part of the log")

    def _repr_html_(self) -> str:
        """Return the HTML for a notebook: state, parameters, and a small curve of each metric of the first events."""
        from .notebook import experiment_html

        return experiment_html(self)


def _is_regular(path: Path) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def _wrong_types(directory: str) -> Iterator[tuple[str, str]]:
    """Yield the entries of an experiment that are left out because of their type, and why."""
    log = os.path.join(directory, "log")
    others: list[str] = []  # than regular files
    try:
        if not os.path.islink(log):
            with os.scandir(log) as entries:
                others = [one.name for one in entries if not one.is_file(follow_symlinks=False)]
    except OSError:
        pass  # usually there is no such folder; if it can't be searched, `Experiment.streams` raises the error
    for name in ("meta", DEFAULT_STREAM, "log", *(f"log/{name}" for name in sorted(filter(is_stream_file, others)))):
        if reason := _wrong_type(directory, name):
            yield name, reason


def _wrong_type(directory: str, name: str) -> str:
    """Return why an entry of an experiment is left out because of its type (`layout.types`); "" if it isn't."""
    try:
        mode = os.lstat(os.path.join(directory, name)).st_mode
    except OSError:
        return ""
    is_folder = name in ("meta", "log")
    if stat.S_ISDIR(mode) if is_folder else stat.S_ISREG(mode):
        return ""
    other = f"it isn't a {'directory' if is_folder else 'regular file'}"
    what = "it is a symbolic link, which is not followed" if stat.S_ISLNK(mode) else other
    return f"{what}; {_LEFT_OUT.get(name, 'its events were left out')}"


def search(root: Path, links: list[Path] | None = None) -> Iterator[tuple[Path, int, Experiment | MLVError | OSError]]:
    """Find the experiments in and below *root*, also those that can't be read, without following links.

    Args:
        root: The directory.
        links: As for `walk`.

    Yields:
        A directory, the number of experiments that enclose it, and the experiment in it, or why it can't be read or
            searched; in the order of the paths.
    """
    found: Experiment | MLVError | OSError | None = None

    def is_experiment(directory: Path) -> bool:
        nonlocal found
        found = _experiment_or_error(directory)
        return found is not None

    for directory, depth, error in walk(root, is_experiment, links):
        if error is not None:
            yield directory, depth, OSError(f"{directory} cannot be searched: {error}")
        elif found is not None:
            yield directory, depth, found


def _experiment_or_error(directory: Path) -> Experiment | MLVError | OSError | None:
    """Return the experiment in a directory, or why it can't be read; None if the directory isn't an experiment."""
    if not os.path.lexists(directory / "meta.json"):  # the fastest check: most directories have no meta.json
        return None
    try:
        return Experiment(directory)
    except NotAnExperiment:
        return None
    except (MLVError, OSError) as error:
        return error


def readable_experiments(root: Path, below: bool = False) -> Iterator[Experiment]:
    """Yield the experiments in and below *root*, in the order of their paths, without following links.

    An experiment that can't be read, and a directory that can't be searched, are skipped with a warning. At the end, a
    warning counts the symbolic links that may lead to other experiments.

    Args:
        root: The directory.
        below: Whether to skip *root* itself.
    """
    links: list[Path] = []
    for directory, _, found in search(root, links):
        if not isinstance(found, Experiment):
            warn(f"left out: {found}")
        elif not (below and directory == root):
            yield found
    if outside := sorted(link for link in links if leads_outside(link, root)):
        what = "1 symbolic link isn't" if len(outside) == 1 else f"{len(outside)} symbolic links aren't"
        warn(
            f"{what} followed and may lead to experiments outside of {os.fspath(root)!r}, such as"
            f" {os.fspath(outside[0])!r}. To read the experiments there, pass the target to read.all."
        )
