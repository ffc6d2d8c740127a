"""Experiments: create, continue, add to and find them (specification 1.0, Layout and Meta)."""

from __future__ import annotations

import os
import time
from pathlib import Path

from ._directories import Below, enclosing, make_below, make_directory, refuse_existing, relative
from ._disk.folder import Directory, Folder
from ._disk.host import host
from ._disk.line_file import LocksUnsupported
from ._errors import CannotAttach, ExperimentExists, InvalidName, LogClosed, NotAnExperiment
from ._facts import Facts, attach_bytes
from ._files import Files, NewFile, NewText, describe, external
from ._format.decode import decode, decode_members
from ._format.encode import encode
from ._format.json import MAX_INT, dumps
from ._format.meta import Meta
from ._format.names import DEFAULT, portable, portable_path, stream_name, stream_path
from ._format.references import ExperimentRef, External, File
from ._logger import StreamLogger
from ._messages import qualname, short
from ._open_streams import Logs
from ._options import choice, writer_options
from ._read.meta import is_experiment, load
from ._read.readonly import ReadOnlyAttributes, read_only
from ._write import meta as _meta
from ._write.endings import ending, outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType
    from typing import Any, ClassVar, Literal, TypeAlias, TypeVar, overload

    from ._monitor import Watch
    from ._output import Capture

    Self = TypeVar("Self", bound="Exp")  # that of `typing` comes with Python 3.11
    StrPath: TypeAlias = str | os.PathLike[str]

__all__ = ["Exp", "Place", "ref"]

# Where launchers say which worker a process is; the first one that is set counts. Slurm's comes last: its batch script
# has one, 0, and what mpirun starts there inherits it.
_RANKS = ("RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "JSM_NAMESPACE_RANK", "SLURM_PROCID")


def ref(path: StrPath) -> File | External:
    """Return a reference to a file where it is, for `params`, `extra` or the data of an event.

    The reference has the size and the SHA-256 of the file, so that you can later check whether it is the same file.

    Args:
        path: The file.

    Returns:
        Inside an experiment, a `File` with the id of the experiment (`value.file`). Outside of every experiment, an
            `External` with the absolute path and the host (`value.external`).

    Raises:
        FileNotFoundError: If `path` does not exist.
        CannotAttach: If `path` isn't a regular file, changes while it is read, or has a name that isn't UTF-8.

    Example:
        ```python
        from pathlib import Path

        from mlvlogger import Exp, ref

        Path("images.npz").write_bytes(b"abc")
        with Exp("runs", "my_exp_1", {"data": ref("images.npz")}) as exp:
            print(exp.params["data"].size)
        ```

        ```text
        3
        ```
    """
    if Path(path).is_dir():
        raise CannotAttach(
            f"{os.fspath(path)!r} is not a regular file. Pass a file path; to attach a directory, archive it first."
        )
    directory = enclosing(Path(path))
    if directory is None:
        return external(path, host())
    reference = Place(directory).ref(Path(path).resolve())
    assert isinstance(reference, File)
    return reference


class Place(ReadOnlyAttributes):
    """An existing experiment, as returned by `Exp.find`.

    The metadata is read once, and nothing is written. The dicts and lists of the metadata are
    [read-only](#read-only-metadata).

    Attributes:
        id (str): The id of the experiment: `sha256:` and 64 hexadecimal digits.
        name (str): The name, as in `meta.json`.
        kind (str): The kind, as in `meta.json`; empty if `meta.json` has none.
        params (dict[str, Any]): The effective parameters, additions included, as Python values.
        extra (dict[str, Any]): The effective `extra`, additions included, as Python values.
        tags (list[str]): The effective tags, additions included.

    Example:
        ```python
        from mlvlogger import Exp

        with Exp("runs", "my_exp_1", {"lr": 3e-4}) as exp:
            (exp.path / "model.pt").write_bytes(b"abc")

        place = Exp.find("runs/my_exp_1/model.pt")
        print(place.name, place.params["lr"])
        ```

        ```text
        my_exp_1 0.0003
        ```
    """

    _last_attribute: ClassVar[str] = "_hint"

    def __init__(self, path: StrPath) -> None:
        self._directory = Directory(path)
        self._take(load(Path(path)))

    @property
    def path(self) -> Path:
        """A path that leads to the directory now: the given path while it leads there, otherwise an absolute path.

        An `Exp` also follows a move of the directory (Linux and macOS).
        """
        return Path(self._directory.path)

    def _take(self, meta: Meta) -> None:
        self.id: str = meta.id
        self.name: str = meta.records[0]["name"]
        self.kind: str = meta.records[0].get("kind", "")
        self.params: dict[str, Any] = read_only(decode_members(meta.params), "params", self)
        self.extra: dict[str, Any] = read_only(decode_members(meta.extra), "extra", self)
        self.tags: list[str] = read_only(meta.tags, "tags", self)
        self._parent = decode(meta.records[0].get("parent"))
        self._hint: str | None = None

    @property
    def parent(self) -> Place | None:
        """The parent experiment, or None if it isn't found.

        The parent is found if it encloses this experiment, or if it is where the hint of the reference says.
        """
        if not isinstance(self._parent, ExperimentRef):
            return None
        candidates = [enclosing(self.path.resolve().parent)]
        if self._parent.path is not None:
            candidates.append(Path(os.path.normpath(self.path / self._parent.path)))
        for directory in candidates:
            if directory is not None and is_experiment(directory):
                place = Place(directory)
                if place.id == self._parent.id:
                    place._hint = relative(directory, self.path)
                    return place
        return None

    def ref(self, path: StrPath | None = None) -> ExperimentRef | File:
        """Return a reference to the experiment or to a file in it.

        Args:
            path: The file, relative to the experiment directory or absolute. By default, the experiment itself.

        Returns:
            An `ExperimentRef`, or with `path`, a `File` with the size and the SHA-256 of the file.

        Raises:
            FileNotFoundError: If `path` does not exist.
            CannotAttach: If `path` isn't a regular file, changes while it is read, or has a name that isn't UTF-8.
            InvalidName: If `path` is outside of the experiment, or in a sub-experiment.
        """
        if path is None:
            return ExperimentRef(self.id, self._hint)
        home = self.path.resolve()
        file = Path(os.path.realpath(home / path))
        if file.is_dir():
            raise CannotAttach(
                f"{os.fspath(path)!r} is not a regular file. Pass a file path; to attach a directory, archive it first."
            )
        if home not in file.parents:
            raise InvalidName(f"{os.fspath(path)!r} is outside of {self.path}. Refer to it with mlvlogger.ref(path).")
        if (nearest := enclosing(file.parent)) is None or nearest.resolve() != home:
            raise InvalidName(
                f"{os.fspath(path)!r} is in a sub-experiment of {self.path}. Refer to it with mlvlogger.ref(path)."
            )
        return describe(file, file.relative_to(home).as_posix(), self.id)

    def sub(self, name: str, params: Any = None, kind: str = "experiment", **options: Any) -> Exp:
        """Create a sub-experiment in `<kind>/<name>` below this experiment, which becomes its parent.

        Args:
            name: The name of the sub-experiment and of its directory.
            params: The parameters, as for `Exp`.
            kind: The kind, and the name of the directory above the sub-experiment: a portable name.
            options: The keyword arguments of `Exp`.

        Returns:
            The sub-experiment, to write to. The exceptions are those of `Exp`.

        Raises:
            NotAnExperiment: If the directory of this experiment was moved or removed.
        """
        kind = portable(kind, "a kind")
        return Exp(Below(self, self._held(), kind), name, params, kind, **options)

    def _held(self) -> Folder:
        """The directory, held open. Raises NotAnExperiment if it isn't where it was."""
        try:
            folder = Folder(self.path)
        except (FileNotFoundError, NotADirectoryError):
            folder = None
        if folder is None or not folder.is_same(self._directory):
            raise NotAnExperiment(
                f"{self.path}: the directory of the experiment was moved or removed. Find it with Exp.find(path)."
            )
        return folder

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {str(self.path)!r}>"


class Exp(Place):
    """An experiment to write to; also a `Place`.

    `Exp(savedir, name, params)` creates the directory `savedir/name` and starts to log.
    Use it in a `with` block. The end of the block ends the experiment as:

    - `completed`, if the block ends without an exception or with a `SystemExit` of None or 0;
    - `interrupted`, at `KeyboardInterrupt`, at `SystemExit` with 130 or 143, or at a `SystemExit` while a
      `KeyboardInterrupt` is handled;
    - `failed`, at any other exception.

    If a script ends without `with` and without `close`, the experiment stays open and the logged events are preserved.
    `str(exp)` is its path. An `Exp` can't be pickled: send its path, and use `Exp.join` or `Exp.open` there.

    Args:
        savedir: The directory for the experiment; created if it doesn't exist. If it is inside another experiment, that
            experiment becomes the parent.
        name: The name of the experiment and of its directory: a portable name, which is 1 to 100 of
            `A-Z a-z 0-9 . _ -` (`meta.name`).
        params: The parameters: a mapping, a dataclass, an argparse namespace, a pydantic model, an attrs object, or a
            configuration of OmegaConf or ml_collections, of [values](#values).
        kind: The kind of experiment, such as `"train"`: a portable name.
        exists: If the directory already holds an experiment, `"error"` raises `ExperimentExists`, `"number"` uses
            `name_1`, `name_2`, …, and `"resume"` continues the experiment as `Exp.resume` does.
        tags: Words to find the experiment by: an iterable of strings, or one string.
        description: A description of the experiment.
        extra: Any other metadata, in the forms of `params`.
        parent: The experiment that this one continues or belongs to: an `Exp`, a `Place`, an `Experiment` or an
            `ExperimentRef`.
        variables: Environment variables to record in addition to the default ones: names, or patterns such as `"HF_*"`.
        redact: Whether values that look like secrets are redacted in `params`, `extra`, `tags`, `description`, the
            command line, the environment and the diff.
        diff: Whether the uncommitted changes of the git repository are attached as `files/uncommitted.diff`, at most
            1 MB.
        on_error: As for `Logger`, for all streams of the experiment.
        writer: As for `Logger`, for all streams of the experiment.
        durability: As for `Logger`, for all streams of the experiment.

    Attributes:
        log (Logger): The root logger of the stream `log.jsonl`, or of the stream that `open` or `join` opened.

    Raises:
        ExperimentExists: If the directory already holds an experiment, with `exists="error"` (`writer.meta-once`).
        InvalidName: If `name` or `kind` isn't a portable name, or if the directory is in a folder `meta`, `log` or
            `files` of another experiment.
        CannotEncode: If values of `params` or `extra` have no form in a record; `problems` lists all of them.
        AlreadyRecorded: If a parameter is recorded with another value, with `exists="resume"`.
        StreamBusy: If another writer has `log.jsonl`, with `exists="resume"`.
        InvalidRecord: If the experiment is damaged, with `exists="resume"`.
        UnsupportedVersion: If the experiment has an unknown major version or requires an unknown feature, with
            `exists="resume"`.
        ValueError: If `exists`, `on_error`, `writer` or `durability` isn't one of its values.
        OSError: If the system refuses. Unless there is a `meta.json`, no experiment was created.

    Example:
        ```python
        from mlvlogger import Exp, read

        with Exp("runs", "my_exp_1", {"lr": 3e-4}, kind="train", tags=["baseline"]) as exp:
            for step in range(3):
                exp.log.event("batch", step=step, loss=1 / (step + 1))

        print(read("runs/my_exp_1").state)
        ```

        ```text
        completed
        ```
    """

    _last_attribute: ClassVar[str] = "log"
    log: StreamLogger

    def __init__(
        self,
        savedir: StrPath,
        name: str,
        params: Any = None,
        kind: str = "experiment",
        *,
        exists: str = "error",
        tags: Iterable[str] = (),
        description: str | None = None,
        extra: Any = None,
        parent: Place | ExperimentRef | None = None,
        variables: Iterable[str] = (),
        redact: bool = True,
        diff: bool = False,
        on_error: str = "warn",
        writer: str = "direct",
        durability: str = "kernel",
    ) -> None:
        choice("exists", exists, ("error", "number", "resume"))
        name, kind = portable(name, "an experiment"), portable(kind, "a kind")
        self._writer_options(on_error, writer, durability)
        members, facts = _meta.members(params, extra, tags, description, redact), Facts(variables, redact, diff)
        wanted = name
        number = 0
        while True:
            directory = Path(savedir, name)
            try:
                create = (savedir, name, kind, members, parent, facts)
                self._or_let_go(lambda create=create: self._create(*create))  # type: ignore[misc]
                return
            except ExperimentExists:
                if exists == "resume":
                    self._hold(Folder(savedir.folder, kind, name) if isinstance(savedir, Below) else directory)
                    self._or_let_go(lambda: self._continue(members, facts))
                    return
                if exists == "error":
                    raise
                number += 1
                name = portable(f"{wanted}_{number}", "an experiment")

    @classmethod
    def resume(
        cls: type[Self],
        path: StrPath,
        params: Any = None,
        *,
        tags: Iterable[str] = (),
        description: str | None = None,
        extra: Any = None,
        variables: Iterable[str] = (),
        redact: bool = True,
        diff: bool = False,
        on_error: str = "warn",
        writer: str = "direct",
        durability: str = "kernel",
    ) -> Self:
        """Continue the main work of an experiment: add a meta record, and a session to `log.jsonl`.

        The arguments are those of `Exp`, for the new metadata.

        Args:
            path: The directory of the experiment.
            params: New parameters. A parameter that is already recorded with an equal value is allowed.
            tags: New tags.
            description: A further description.
            extra: New members of `extra`.
            variables: As for `Exp`.
            redact: As for `Exp`.
            diff: As for `Exp`; the file is `files/uncommitted-N.diff` for meta record N.
            on_error: As for `Logger`.
            writer: As for `Logger`.
            durability: As for `Logger`.

        Raises:
            NotAnExperiment: If there is no experiment at `path`.
            StreamBusy: If another writer has `log.jsonl` (`writer.one`).
            AlreadyRecorded: If a name of `params` or `extra` is recorded with another value; nothing was written
                (`addition.new-names`).
            InvalidRecord: If a meta record or `log.jsonl` is damaged.
            UnsupportedVersion: If the experiment has an unknown major version or requires an unknown feature.
            CannotEncode: If values of `params` or `extra` have no form in a record.
            ValueError: If `on_error`, `writer` or `durability` isn't one of its values.
            OSError: If the system refuses.
        """
        exp = cls.__new__(cls)
        exp._writer_options(on_error, writer, durability)
        members, facts = _meta.members(params, extra, tags, description, redact), Facts(variables, redact, diff)
        exp._hold(path)
        exp._or_let_go(lambda: exp._continue(members, facts))
        return exp

    @classmethod
    def open(
        cls: type[Self],
        path: StrPath,
        params: Any = None,
        *,
        stream: str | None = None,
        tags: Iterable[str] = (),
        description: str | None = None,
        extra: Any = None,
        variables: Iterable[str] = (),
        redact: bool = True,
        diff: bool = False,
        on_error: str = "warn",
        writer: str = "direct",
        durability: str = "kernel",
    ) -> Self:
        """Add to an experiment from another script: add a meta record, and a separate stream for this script.

        The other arguments and the exceptions are those of `Exp.resume`.

        Args:
            path: The directory of the experiment.
            params: As for `Exp.resume`.
            stream: The name of the stream; by default `run-N` for meta record N. If the stream exists, a session is
                added to it.
            tags: As for `Exp.resume`.
            description: As for `Exp.resume`.
            extra: As for `Exp.resume`.
            variables: As for `Exp.resume`.
            redact: As for `Exp.resume`.
            diff: As for `Exp.resume`.
            on_error: As for `Logger`.
            writer: As for `Logger`.
            durability: As for `Logger`.

        Raises:
            InvalidName: If `stream` isn't a portable name, or differs only by case from the name of another stream.
        """
        exp = cls.__new__(cls)
        exp._writer_options(on_error, writer, durability)
        members, facts = _meta.members(params, extra, tags, description, redact), Facts(variables, redact, diff)
        name = None if stream is None else stream_path(portable(stream, "a stream"))
        exp._hold(path)

        def start() -> None:
            if name is not None:
                exp._continue(members, facts, name)
            else:
                exp._add(exp._load(), members, facts)
                exp._start(stream_path(f"run-{exp._record[0]}"))

        exp._or_let_go(start)
        return exp

    @classmethod
    def join(
        cls: type[Self],
        path: StrPath,
        rank: int | None = None,
        *,
        timeout: float = 60,
        on_error: str = "warn",
        writer: str = "direct",
        durability: str = "kernel",
    ) -> Self:
        """Join an experiment as one of its workers: log to the stream `rank-R` and add nothing to the metadata.

        Args:
            path: The directory of the experiment.
            rank: The number of the worker. By default, the first of these environment variables that is set: `RANK`
                (torchrun), `OMPI_COMM_WORLD_RANK`, `PMI_RANK`, `JSM_NAMESPACE_RANK` (MPI), `SLURM_PROCID`.
            timeout: How long to wait for `meta.json`, which the main worker creates, in seconds.
            on_error: As for `Logger`.
            writer: As for `Logger`.
            durability: As for `Logger`.

        Raises:
            ValueError: If `rank` isn't a number of at least 0, or if no rank is given and the environment has none or
                one that isn't a number.
            NotAnExperiment: If there is no experiment at `path` within `timeout`.
            StreamBusy: If another writer has the stream.
            InvalidRecord: If a meta record or the stream is damaged.
            UnsupportedVersion: If the experiment has an unknown major version or requires an unknown feature.
            OSError: If the system refuses.
        """
        if rank is None:
            rank = _rank()
        if type(rank) is not int or not 0 <= rank <= MAX_INT:
            raise ValueError(f"rank is {short(rank)}: give the number of this worker, an integer of at least 0.")
        exp = cls.__new__(cls)
        exp._writer_options(on_error, writer, durability)
        deadline = time.monotonic() + timeout
        while not is_experiment(path):
            if time.monotonic() >= deadline:
                raise NotAnExperiment(
                    f"{os.fspath(path)} holds no experiment after {timeout} seconds. Is the main worker running, "
                    "with the same path?"
                )
            time.sleep(0.05)
        exp._hold(path)

        def start() -> None:
            exp._know(exp._load())
            exp._start(stream_path(f"rank-{rank}"))

        exp._or_let_go(start)
        return exp

    @staticmethod
    def find(path: StrPath) -> Place:
        """Return the nearest experiment that `path` is, or is in. Nothing is written.

        Args:
            path: An experiment, or a file or directory in one, such as a checkpoint.

        Raises:
            FileNotFoundError: If `path` does not exist.
            NotAnExperiment: If `path` is in no experiment.
            OSError: If the system can't inspect `path`.
        """
        os.stat(path)
        directory = enclosing(Path(path))
        if directory is None:
            raise NotAnExperiment(
                f"{os.fspath(path)!r} is in no experiment: no directory above it has a meta.json of MLV."
            )
        return Place(directory)

    def _writer_options(self, on_error: str, writer: str, durability: str) -> None:
        self._diff: File | None = None
        self._on_error = on_error
        self._process, self._sync = writer_options(on_error, writer, durability)

    def _create(self, savedir: Any, name: str, kind: str, members: dict[str, Any], parent: Any, facts: Facts) -> None:
        directory = Path(savedir, name)
        if isinstance(savedir, Below):
            self._hold(make_below(savedir, name))
            parent = savedir.parent if parent is None else parent
        else:
            absolute, outer = make_directory(directory)
            self._hold(absolute)
            self._folder.known_as(directory)
            parent = Place(outer) if parent is None and outer is not None else parent
        members = {**members, "environment": self._record_facts(facts, "uncommitted.diff")}
        members.setdefault("params", {})
        if parent is not None:
            members["parent"] = encode(_parent_ref(parent, self.path), path="parent", depth=1)
        try:
            meta = _meta.create(self._folder, name, kind, members)
        except FileExistsError:
            refuse_existing(directory, self._folder.has)
            raise
        self._know(meta)
        self._start(DEFAULT, new=True)

    def _held(self) -> Folder:
        """As that of `Place`."""
        return self._folder

    def _hold(self, path: StrPath | Folder) -> None:
        """Hold the directory open: everything from here on goes to it, wherever its name leads."""
        try:
            self._directory = self._folder = path if isinstance(path, Folder) else Folder(path)
        except (FileNotFoundError, NotADirectoryError):
            where = path.path if isinstance(path, Folder) else os.fspath(path)
            raise NotAnExperiment(
                f"{where} holds no experiment: there is no such directory. Make one with Exp(savedir, name, params)."
            ) from None
        self._files = Files(self._folder)

    def _or_let_go(self, start: Callable[[], None]) -> None:
        """Call *start*; if it raises, close the directory, even if the exception is kept."""
        try:
            start()
        except BaseException:
            if (folder := getattr(self, "_folder", None)) is not None:
                folder.close()
            raise

    def _continue(self, members: dict[str, Any], facts: Facts, stream: str = DEFAULT) -> None:
        # The lock first: a script that cannot have the stream must not leave a record.
        meta = self._load()
        self.id: str = meta.id
        try:
            self._start(stream, lambda: self._add(meta, members, facts))
        except LocksUnsupported:
            # If the file system can't show whether the stream has a writer, the session gets a separate stream.
            self._add(meta, members, facts)
            self._start(stream_path(f"run-{self._record[0]}"), new=True)

    def _add(self, meta: Meta, members: dict[str, Any], facts: Facts) -> tuple[int, str]:
        environment = self._record_facts(facts, f"uncommitted-{meta.last[0] + 1}.diff")
        self._know(_meta.add(self._folder, meta, {**members, "environment": environment}, self._load))
        return self._record

    def _record_facts(self, facts: Facts, diff_name: str) -> dict[str, Any]:
        # The file is noted in the log when there is one: a meta record that refers to the file comes before it.
        environment, diff = facts.record(self._files, diff_name)
        self._diff = diff or self._diff
        return environment

    def _load(self) -> Meta:
        return load(self._folder, environments=False)

    def _know(self, meta: Meta) -> None:
        self._take(meta)
        self._record = meta.last

    def _start(self, name: str, record: Callable[[], tuple[int, str]] | None = None, new: bool = False) -> None:
        self._capture: Capture | None = None
        self._watch: Watch | None = None
        self._logs = Logs(self._folder, self.id, self._on_error, self._sync, self._process)
        self.log = self._logs.open(name, record or self._last_record, new)
        if self._diff is not None:
            self._note(self._diff, "")

    def _last_record(self) -> tuple[int, str]:
        return self._record

    def stream(self, name: str) -> StreamLogger:
        """Return the root logger of the stream `log/<name>.jsonl`.

        The stream is created if it doesn't exist, and gets a new session if it does. The same name gives the same
        logger.

        Args:
            name: The name of the stream: a portable name.

        Raises:
            InvalidName: If `name` isn't a portable name, or differs only by case from the name of another stream.
            StreamBusy: If another writer has the stream.
            LogClosed: If the experiment is closed.
            InvalidRecord: If the stream is damaged.
            UnsupportedVersion: If the stream has an unknown major version or requires an unknown feature.
            OSError: If the system refuses.
        """
        return self._logs.open(stream_path(portable(name, "a stream")), self._last_record)

    def capture(self, stream: str | None = None) -> Capture:
        """Log the output of this program and its children, line by line, while it is still shown.

        Each line is an event `stdout` or `stderr` with the member `text`. For a progress bar, only its final state is
        logged. A line that looks like a secret is logged as `<redacted>`. The output of Python, C code, child processes
        and notebook cells is captured, by another process. Until the capture stops, `sys.stdout` and `sys.stderr` write
        each line at once, so that a killed program loses no line.

        Args:
            stream: The name of the stream; by default `output`, or `rank-3-output` for the stream `rank-3`.

        Returns:
            A context manager with the method `stop(status="completed", error=None)`. The end of the experiment or of
                the program stops the capture, too.

        Raises:
            RuntimeError: If this process already captures its output.
            OSError: If the system can't start a process for the capture, as on Windows.
            LogClosed: If the experiment is closed.
            InvalidName: If `stream` isn't a portable name, or differs only by case from the name of another stream.
            StreamBusy: If another writer has the stream.
            InvalidRecord: If the stream is damaged.
        """
        from ._output import Capture

        self._refuse_closed()
        self._capture = Capture(self._folder, self.id, self._record, self._beside("output", stream), self._sync)
        return self._capture

    def watch(self, seconds: float = 10, stream: str | None = None) -> Watch:
        """Log the load of the machine, of this process and of GPUs, now and at an interval, from a thread.

        Each sample is an event `sample` of numbers; the guide [Output, messages and the system's
        load](../how-to/output-and-system.md) lists them. A forked child doesn't continue the samples.

        Args:
            seconds: The interval in seconds, at least 0.1.
            stream: The name of the stream; by default `system`, or `rank-3-system` for the stream `rank-3`.

        Returns:
            A context manager with the method `stop()` and the property `is_running`. The end of the experiment or of
                the program stops the samples, too.

        Raises:
            ValueError: If `seconds` isn't a number of at least 0.1.
            RuntimeError: If the system is already watched for this experiment.
            LogClosed: If the experiment is closed.
            InvalidName: If `stream` isn't a portable name, or differs only by case from the name of another stream.
            StreamBusy: If another writer has the stream.
            InvalidRecord: If the stream is damaged.
            OSError: If the system refuses.
        """
        from ._monitor import Watch

        self._refuse_closed()
        if self._watch is not None and self._watch.is_running:
            raise RuntimeError("the system is watched already. Call stop() on what watch() returned, then begin again.")
        watch = Watch(lambda: self.stream(self._beside("system", stream)), self._folder, seconds)
        self._watch = self.log._companion = watch  # continues after the experiment is dropped, with its logger
        return watch

    def _beside(self, name: str, given: str | None) -> str:
        if given is not None:
            return portable(given, "a stream")
        own = self.log._stream.name
        return name if own == DEFAULT else f"{stream_name(own)}-{name}"

    def attach(self, source: object, name: str | None = None, *, how: str = "copy") -> File:
        """Copy a file into the experiment, below `files/`, and log its size and SHA-256.

        The attached file is immutable. If you attach the same bytes under the same name again, you get the same
        reference; other bytes get the name `name~2`. [Files and media](../how-to/files-and-media.md) lists the formats.

        Args:
            source: The path of a file, or a value from which a file is made: bytes, a PIL image, a NumPy array or torch
                tensor that is an image, a matplotlib or plotly figure, or a table of pandas, polars or pyarrow. An
                image has the shape height x width, or a third dimension with 1, 3 or 4 channels (for a tensor, also the
                first dimension), and the type uint8, uint16, bool, or float from 0 to 1.
            name: The path below `files/`: portable names joined by `/`. The suffix determines the format of a value. By
                default, the file's own name with `_` for each character that a portable name can't have; or
                `image.png`, `figure.png`, `figure.json` (plotly) or `table.csv`. Bytes need a name.
            how: For a path: `"copy"`; `"reflink"`, which shares the blocks if the file system can, and copies
                otherwise; or `"hardlink"`, which shares the file itself, so that you must never change it.

        Returns:
            The reference to the attached file.

        Raises:
            FileNotFoundError: If `source` does not exist, or the directory of the experiment was removed.
            CannotAttach: If `source` isn't a regular file, changes while it is copied, or is a value that has no form
                in the format; or if `files` isn't a directory. Nothing was written.
            TypeError: If `source` is neither a path nor one of these values.
            ValueError: If `how` isn't one of its values.
            InvalidName: If `name` has segments that aren't portable names, such as `..` (`file.name`).
            LogClosed: If the experiment is closed.
            OSError: If the system refuses, for example a hard link to another file system.
        """
        choice("how", how, ("copy", "hardlink", "reflink"))
        self._refuse_closed()
        if isinstance(source, (str, os.PathLike)):
            original = os.path.basename(os.fspath(source))
            name = portable_path(name if name is not None else _portable(original), "an attached file")
            return self._note(self._files.attach(source, name, how), original)
        if name is not None:
            name = portable_path(name, "an attached file")
        if how != "copy":
            raise CannotAttach(
                f"how={how!r} is for the path of a file, not for a {qualname(type(source))}. Leave it out."
            )
        from ._media import encoded

        return self._note(attach_bytes(self._files, *encoded(source, name)), "")

    if TYPE_CHECKING:

        @overload
        def create(self, name: str, mode: Literal["wb"] = "wb") -> NewFile: ...

        @overload
        def create(self, name: str, mode: Literal["w"]) -> NewText: ...

    def create(self, name: str, mode: str = "wb") -> NewFile | NewText:
        """Return a new file below `files/` to write into.

        The file is published, hashed and logged when you close it; then its attribute `ref` is its reference. If an
        exception leaves its `with` block, the file is discarded.

        Args:
            name: The path below `files/`: portable names joined by `/`. If another file has the name, the file gets
                `name~2`.
            mode: `"wb"` for bytes, `"w"` for text, which is UTF-8 with LF.

        Returns:
            A `NewFile`, or for text a `NewText`.

        Raises:
            InvalidName: If `name` has segments that aren't portable names.
            CannotAttach: If `files` isn't a directory.
            LogClosed: If the experiment is closed.
            ValueError: If `mode` isn't one of its values.
            OSError: If the system refuses.
        """
        choice("mode", mode, ("wb", "w"))
        self._refuse_closed()
        name = portable_path(name, "a new file")
        file = NewFile(self._files, name, self._refuse_closed, lambda new: self._note(new, name))
        return file if mode == "wb" else NewText(file)

    def _refuse_closed(self) -> None:
        if self.log._stream.closed:
            raise LogClosed(f"{self.path} was closed. Attach files before close(), or inside the with block.")

    def _note(self, file: File, original: str) -> File:
        data: dict[str, Any] = {"file": encode(file, path="file", depth=3)}
        if original and file.path != f"files/{original}":
            data["source"] = original.encode("utf-8", "backslashreplace").decode("utf-8")
        self.log._stream.append(b'"mlv/file"', dumps(data).encode("ascii"))
        return File(file.path, file.size, file.sha256, file.media_type, self.id)

    def mark(self) -> dict[str, int]:
        """Return the log positions of this process, to be saved in a checkpoint: for each stream path, its last `seq`.

        The streams are flushed first, so that the events up to the mark are kept if the process is killed. The
        exceptions are those of `flush`.
        """
        return self._logs.mark()

    def rewind(self, mark: Mapping[str, int], reason: str | None = None) -> None:
        """Go back to a `mark`: the events after it are superseded.

        No event is deleted, and open spans stay unfinished (`mlv/rewind`).

        Args:
            mark: A log position that `mark` returned.
            reason: Why, as a description for the log.

        Raises:
            TypeError: If `mark` isn't a mapping.
            ValueError: If `mark` isn't from this experiment, or names `log.jsonl` while this process doesn't write it.
                Nothing was rewound.
            StreamBusy: If another process has one of the streams.
            OSError: If the system refuses.
        """
        self._logs.rewind(mark, reason, self._last_record)

    def flush(self) -> None:
        """Write the waiting events of all streams, as `Logger.flush` does.

        Raises:
            WriteFailed: If writing fails, with `on_error="raise"`; otherwise there is a warning.
        """
        self._logs.flush()

    def close(self, status: str = "completed", error: BaseException | None = None) -> None:
        """End the work of this process on the experiment: end and seal each of its streams.

        Each stream gets an `mlv/end`, which seals it. If `log` is paused, the streams are sealed without an end, and
        the experiment stays paused. A second call does nothing.

        Args:
            status: `"completed"`, `"failed"` or `"interrupted"`.
            error: The cause of a failure; its type, message and traceback are recorded.

        Raises:
            ValueError: If `status` isn't one of its values.
            WriteFailed: If writing fails, with `on_error="raise"`; otherwise there is a warning.
        """
        data = ending(status, error)
        paused = self.log._stream.paused
        if self._capture is not None:
            self._capture._stop({"end": None if paused else data})
        if self._watch is not None:
            self._watch.stop()
        try:
            self._logs.close(self.log, None if paused else data)
        finally:
            if self.log._stream.closed:
                self._folder.close()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(*outcome(error))

    def __str__(self) -> str:
        return str(self.path)

    def __reduce__(self) -> Any:
        raise TypeError(
            f"{self!r} cannot be sent to another process. Send its path, and there use Exp.join(path, "
            "rank) or Exp.open(path)."
        )


def _rank() -> int:
    for name in _RANKS:
        text = os.environ.get(name)
        if text is not None:
            if text.isascii() and text.isdecimal() and len(text) < 20:
                return int(text)
            raise ValueError(
                f"the environment's {name} is {short(text)}, not a number. Pass this worker's: join(path, rank)."
            )
    raise ValueError(f"no rank: give the number of this worker, join(path, rank), or set one of {', '.join(_RANKS)}.")


def _parent_ref(parent: Any, directory: Path) -> ExperimentRef:
    if isinstance(parent, ExperimentRef):
        return parent
    return ExperimentRef(parent.id, relative(parent.path, directory))


def _portable(name: str) -> str:
    cleaned = "".join(char if char.isascii() and (char.isalnum() or char in "._~-") else "_" for char in name)
    cleaned = cleaned[-100:].lstrip("._~-").rstrip(".")
    return cleaned or "file"
