"""Reading an experiment: without locks and writes, also while it is being written; skipped parts are reported."""

from __future__ import annotations

import os
from pathlib import Path

from .._disk.folder import Directory, check_path, open_regular
from .._disk.lock_holders import lock_holders
from .._errors import MLVError, NotAnExperiment, UnsupportedVersion
from .._format.decode import decode_members
from .._format.lifecycle import lifecycle_lines
from .._format.names import DEFAULT_STREAM, is_stream_file, stream_name, stream_path
from .._messages import warn
from .changes import Change, Changes
from .events import Event, parse_time
from .existing import ExistingExperiment
from .fast import quick_events
from .meta import load
from .metrics import MetricReader
from .patterns import matcher
from .problems import Problem, is_regular, torn_end, wrong_type, wrong_types
from .readonly import read_only
from .search import leads_outside, walk
from .spans import SpanTree, span_trees
from .stream import stream_events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from typing import Any, ClassVar

    from .stream import BlockReader

__all__ = ["Experiment", "readable_experiments", "search"]


class Experiment(MetricReader, ExistingExperiment):
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
        environments (list[dict[str, Any]]): The environment of each metadata record that has one, in order.
        records (list[dict[str, Any]]): The metadata records as parsed JSON trees, in order.
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
        problems = (*meta.problems, *wrong_types(os.fspath(path)))
        self.problems: list[Problem] = [Problem(name, None, message) for name, message in problems]
        self.torn: dict[str, Problem] = {}
        self._reported = set(self.problems)

    @property
    def streams(self) -> list[str]:
        """The paths of the streams of the experiment, `log.jsonl` first."""
        names = [DEFAULT_STREAM] if is_regular(self.path / DEFAULT_STREAM) else []
        log = self.path / "log"
        if log.is_dir() and not log.is_symlink():
            names += sorted(
                f"log/{name}" for name in os.listdir(log) if is_stream_file(name) and is_regular(log / name)
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
        """The state: `"open"`, `"paused"`, `"completed"`, `"failed"`, `"interrupted"` or `"ended"`.

        `"ended"` means that the program ended without a call of `close`, so that no one recorded whether it succeeded.
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

    @property
    def is_running(self) -> bool | None:
        """Whether a process is writing `log.jsonl` now; None if it isn't known.

        An experiment that is `"open"` and not running stopped without an end. The lock files of the log tell whether a
        process of this system is running; whether one on another host, or in another container, still runs isn't
        known. `lock_holders` has more. No lock is taken.

        Raises:
            OSError: If the directory can't be read.
        """
        found = {holder.is_running for holder in lock_holders(self.path)}
        return True if True in found else None if None in found else False

    def record_at(self, event: Event) -> int | None:
        """Return the number of the metadata record that an event was logged under, None if the log names none.

        It is the record that the last `mlv/start` or `mlv/record` up to the event names. The exceptions are those of
        `events`.

        Args:
            event: An event of this experiment.
        """
        return self._values.record_at(event, self._read(event.stream, lifecycle_lines))

    def params_at(self, where: Event | int) -> dict[str, Any]:
        """Return the parameters that were in force for an event, or under a metadata record (`reader.in-force`).

        `params` has the latest values of the main work; this method has those that the event was logged with. A further
        script or a worker may have other values. The exceptions are those of `events`.

        Args:
            where: An event of this experiment, or the number of a metadata record.

        Returns:
            The parameters; {} if the event is under no record, or there is no record of this number.
        """
        return self._values.in_force("params", where if isinstance(where, int) else self.record_at(where))

    def extra_at(self, where: Event | int) -> dict[str, Any]:
        """Return the members of `extra` that were in force for an event, or under a metadata record, like `params_at`.

        Args:
            where: An event of this experiment, or the number of a metadata record.
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

    def _problem(self, path: str, line: int | None, message: str) -> None:
        problem = Problem(path, line, message)
        if problem not in self._reported:
            self._reported.add(problem)
            self.problems.append(problem)

    def _read(self, path: str, read_block: BlockReader = quick_events, must_open: bool = False) -> Iterator[Event]:
        """Yield the events that *read_block* finds in the blocks of a stream, up to its current size.

        If the system can't open the file, there are no events and there is a problem, or with *must_open*, an OSError.
        """
        place = self.path / path
        try:
            file = open_regular(place)
        except FileNotFoundError:
            return
        except OSError as error:
            reason = wrong_type(self._directory.path, path)
            if must_open and not reason:
                raise
            self._problem(path, None, reason or f"it cannot be read: {error}")
            return
        with file:
            torn = yield from stream_events(file, place, path, read_block, self._problem)
        self.torn.pop(path, None)
        if torn:
            self.torn[path] = torn_end(path, torn)

    def _repr_html_(self) -> str:
        """Return the HTML for a notebook: state, parameters, and a small curve of each metric of the first events."""
        from .notebook import experiment_html

        return experiment_html(self)


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
