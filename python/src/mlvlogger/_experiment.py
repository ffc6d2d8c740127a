"""Experiments: making one, going on with one, adding to one, and finding one (specification 1.0, Layout and Meta)."""

from __future__ import annotations

import os
import time
from pathlib import Path

from ._disk.folder import Folder
from ._disk.line_file import LocksUnsupported
from ._errors import CannotAttach, ExperimentExists, LogClosed, NotAnExperiment
from ._files import Files, NewFile, NewText, attach_bytes
from ._format.encode import encode
from ._format.json import MAX_INT, dumps
from ._format.meta import Meta
from ._format.names import DEFAULT, portable, portable_path, stream_name, stream_path
from ._format.references import ExperimentRef, File
from ._logger import StreamLogger
from ._messages import qualname, short
from ._new_directory import make_below, make_directory, refuse_existing
from ._open_streams import Logs
from ._options import choice, writer_options
from ._provenance import Provenance
from ._read.existing import Below, ExistingExperiment
from ._read.meta import is_experiment, load
from ._read.nearest import enclosing, relative
from ._write import meta as _meta
from ._write.endings import ending, outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType
    from typing import Any, ClassVar, Literal, TypeAlias, TypeVar, overload

    from ._monitor import Watch
    from ._output import Capture
    from ._read.experiment import Experiment

    _E = TypeVar("_E", bound="Exp")
    _Path: TypeAlias = str | os.PathLike[str]

__all__ = ["Exp"]

# Where launchers say which worker a process is; the first that is there counts. Slurm's comes last: its batch script
# has one, 0, and what mpirun starts there inherits it.
_RANKS = ("RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "JSM_NAMESPACE_RANK", "SLURM_PROCID")


class Exp(ExistingExperiment):
    """An experiment to write to: ``Exp(savedir, name, params, kind=…)`` makes one.

    Use it in a with block, which ends it: completed at a clean exit (or ``SystemExit(0)``), interrupted at
    KeyboardInterrupt, an exit in the handling of one, or the exit codes 130 and 143, failed otherwise. Closed while
    paused, it is sealed and stays so.
    A script that ends without with and without `close` leaves it open: what was logged is there.

    Args:
        savedir: The directory that it goes into; made if it is missing. Where it lies inside another experiment, that
            one becomes the parent.
        name: Its name, and its directory's: up to 100 of ``A-Z a-z 0-9 . _ -``.
        params: Its parameters: a mapping, a dataclass, an argparse namespace, a pydantic model, an attrs object, or a
            configuration of OmegaConf or ml_collections, nested as you like. Numbers (NaN and large integers too),
            strings, booleans, None, datetimes, dates, durations, bytes, paths, enums, lists, sets, NumPy and torch
            values, and references to files and experiments are recorded as what they are; classes, functions, devices
            and dtypes by name. Arrays have up to 1,000 elements.
        kind: What kind of experiment: "train", "evaluate", …
        exists: When the directory holds an experiment: "error" (default) raises, "number" takes ``name_1``,
            ``name_2``, … instead, "resume" goes on with it as `Exp.resume` does.
        tags: Words to find it by.
        description: A text for people.
        extra: Anything else of yours, like *params*.
        parent: The experiment that it continues or belongs to: an `Exp`, what `Exp.find` or `read` returns, or an
            `ExperimentRef`.
        variables: Names of environment variables, or patterns such as ``"HF_*"``, to record besides the usual ones.
        redact: Keep values back that look like secrets, in *params*, *extra*, *tags*, *description*, the command line,
            the environment and the *diff*.
        diff: Attach the uncommitted changes of the git repository, as ``files/uncommitted.diff``; at most 1 MB.
        on_error, writer, durability: As for `Logger`, for all streams of this experiment.

    Attributes:
        log: The root `Logger` of its stream.
        path: The directory, wherever it is now: as given, while that leads there; otherwise absolute. After a move
            of the directory, its new path (Linux and macOS).
        id, name, kind, params, extra, tags, parent_ref: As for `Experiment`.

    Raises:
        ExperimentExists: the directory holds one, with ``exists="error"``.
        InvalidName: *name* or *kind* isn't a portable name, or the directory lies in a folder of another experiment.
        CannotEncode: If values of *params* or *extra* have no form in a record; `problems` lists all of them.
        AlreadyRecorded: with ``exists="resume"``, a parameter is recorded with another value.
        OSError: the system refused. No experiment was made, unless there is a meta.json.
    """

    _last_attribute: ClassVar[str] = "log"
    log: StreamLogger

    def __init__(
        self,
        savedir: _Path,
        name: str,
        params: Any = None,
        kind: str = "experiment",
        *,
        exists: str = "error",
        tags: Iterable[str] = (),
        description: str | None = None,
        extra: Any = None,
        parent: Exp | Experiment | ExperimentRef | None = None,
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
        members, provenance = (
            _meta.members(params, extra, tags, description, redact),
            Provenance(variables, redact, diff),
        )
        wanted = name
        number = 0
        while True:
            directory = Path(savedir, name)
            try:
                create = (savedir, name, kind, members, parent, provenance)
                self._or_let_go(lambda create=create: self._create(*create))  # type: ignore[misc]
                return
            except ExperimentExists:
                if exists == "resume":
                    self._hold(Folder(savedir.folder, kind, name) if isinstance(savedir, Below) else directory)
                    self._or_let_go(lambda: self._continue(members, provenance))
                    return
                if exists == "error":
                    raise
                number += 1
                name = portable(f"{wanted}_{number}", "an experiment")

    @classmethod
    def resume(
        cls: type[_E],
        path: _Path,
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
    ) -> _E:
        """Go on with the main work of an experiment: adds a meta record, and a session to ``log.jsonl``.

        Arguments as for `Exp`, for what is new: parameters that are recorded with equal values are fine.

        Raises:
            NotAnExperiment: there is none at *path*.
            StreamBusy: another writer has log.jsonl.
            AlreadyRecorded: a name of *params* or *extra* is recorded with another value. Nothing was written.
            InvalidRecord, UnsupportedVersion: it cannot be gone on with.
            CannotEncode, OSError: as for `Exp`.
        """
        exp = cls.__new__(cls)
        exp._writer_options(on_error, writer, durability)
        members, provenance = (
            _meta.members(params, extra, tags, description, redact),
            Provenance(variables, redact, diff),
        )
        exp._hold(path)
        exp._or_let_go(lambda: exp._continue(members, provenance))
        return exp

    @classmethod
    def open(
        cls: type[_E],
        path: _Path,
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
    ) -> _E:
        """Add to an experiment from a complementary script: adds a meta record, and a stream of the script's own.

        Args:
            stream: Its name; by default ``run-N``, for meta record N. Where it exists, a session is added to it.

        The other arguments and the errors as for `resume`.
        """
        exp = cls.__new__(cls)
        exp._writer_options(on_error, writer, durability)
        members, provenance = (
            _meta.members(params, extra, tags, description, redact),
            Provenance(variables, redact, diff),
        )
        name = None if stream is None else stream_path(portable(stream, "a stream"))
        exp._hold(path)

        def start() -> None:
            if name is not None:
                exp._continue(members, provenance, name)
            else:
                exp._add(exp._load(), members, provenance)
                exp._start(stream_path(f"run-{exp._record[0]}"))

        exp._or_let_go(start)
        return exp

    @classmethod
    def join(
        cls: type[_E],
        path: _Path,
        rank: int | None = None,
        *,
        timeout: float = 60,
        on_error: str = "warn",
        writer: str = "direct",
        durability: str = "kernel",
    ) -> _E:
        """Take part in an experiment as one of its workers: adds nothing to the meta, logs to the stream ``rank-R``.

        Args:
            rank: The number of the worker. By default it is read, now, from the environment: the first that is there of
                RANK (torchrun and the like), OMPI_COMM_WORLD_RANK, PMI_RANK, JSM_NAMESPACE_RANK (MPI) and SLURM_PROCID.
            timeout: Seconds to wait for meta.json, which the main worker makes.

        Raises:
            ValueError: no rank is given, and the environment has none, or one that isn't a number.
            NotAnExperiment: there is none at *path* in time.
            StreamBusy, InvalidRecord, UnsupportedVersion, OSError: as for `resume`.
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
    def find(path: _Path) -> Experiment:
        """The nearest experiment that *path* (a checkpoint, say) is or lies in. Nothing is written.

        Raises:
            FileNotFoundError: *path* does not exist.
            NotAnExperiment: it lies in no experiment.
            OSError: the system fails to tell.
        """
        os.stat(path)
        directory = enclosing(Path(path))
        if directory is None:
            raise NotAnExperiment(
                f"{os.fspath(path)!r} lies in no experiment: no directory above it has a meta.json of MLV."
            )
        from ._read.experiment import Experiment

        return Experiment(directory)

    def _writer_options(self, on_error: str, writer: str, durability: str) -> None:
        self._diff: File | None = None
        self._on_error = on_error
        self._process, self._sync = writer_options(on_error, writer, durability)

    def _create(
        self, savedir: Any, name: str, kind: str, members: dict[str, Any], parent: Any, provenance: Provenance
    ) -> None:
        directory = Path(savedir, name)
        if isinstance(savedir, Below):
            self._hold(make_below(savedir, name))
            parent = savedir.parent if parent is None else parent
        else:
            absolute, outer = make_directory(directory)
            self._hold(absolute)
            self._folder.known_as(directory)
            if parent is None and outer is not None:
                parent = ExperimentRef(load(outer, environments=False).id, relative(outer, self.path))
        members = {**members, "environment": self._record_environment(provenance, "uncommitted.diff")}
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
        """As that of `ExistingExperiment`."""
        return self._folder

    def _hold(self, path: _Path | Folder) -> None:
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
        """Call *start*; if it raises, let go of the directory, however long somebody keeps the exception."""
        try:
            start()
        except BaseException:
            if (folder := getattr(self, "_folder", None)) is not None:
                folder.close()
            raise

    def _continue(self, members: dict[str, Any], provenance: Provenance, stream: str = DEFAULT) -> None:
        # The lock first: a script that cannot have the stream must not leave a record behind.
        meta = self._load()
        self.id: str = meta.id
        try:
            self._start(stream, lambda: self._add(meta, members, provenance))
        except LocksUnsupported:
            # Where nobody can tell whether the stream has a writer, the session gets a stream of its own.
            self._add(meta, members, provenance)
            self._start(stream_path(f"run-{self._record[0]}"), new=True)

    def _add(self, meta: Meta, members: dict[str, Any], provenance: Provenance) -> tuple[int, str]:
        environment = self._record_environment(provenance, f"uncommitted-{meta.last[0] + 1}.diff")
        self._know(_meta.add(self._folder, meta, {**members, "environment": environment}, self._load))
        return self._record

    def _record_environment(self, provenance: Provenance, diff_name: str) -> dict[str, Any]:
        # The file is noted in the log when there is one: a meta record that refers to the file comes before it.
        environment, diff = provenance.record(self._files, diff_name)
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
        """The root logger of the stream *name* of this experiment: ``log/<name>.jsonl``.

        It is made when it is not there, and gets a new session when it is. The same name gives the same logger.

        Raises:
            InvalidName: *name* isn't a portable name, or differs from another stream's only by case.
            StreamBusy: another writer has it.
            LogClosed: after `close`.
            InvalidRecord, UnsupportedVersion, OSError: as for `resume`.
        """
        return self._logs.open(stream_path(portable(name, "a stream")), self._last_record)

    def capture(self, stream: str | None = None) -> Capture:
        """Log what this program and its children put out, from now on, line by line; it is shown as before.

        Each line of standard output is an event ``stdout`` with its ``text``, each of standard error ``stderr``. Of
        what a progress bar writes over itself, the last state is logged. A line that looks like a secret is logged as
        ``<redacted>``. Output of Python, C code, child processes and notebook cells is captured, by another process.
        Python's text streams write each line at once until capture stops, so that a killed program loses no line.

        Args:
            stream: The name of the stream; by default ``output``, or ``rank-3-output`` for the stream ``rank-3``.

        Returns:
            A `Capture`: a context manager, with a `stop`. The end of the experiment or of the program stops it, too.

        Raises:
            RuntimeError: this process captures already.
            OSError: the system cannot start a process for it; Windows cannot.
            LogClosed, InvalidName, StreamBusy, InvalidRecord: as for `stream`.
        """
        from ._output import Capture

        self._refuse_closed()
        self._capture = Capture(self._folder, self.id, self._record, self._beside("output", stream), self._sync)
        return self._capture

    def watch(self, seconds: float = 10, stream: str | None = None) -> Watch:
        """Log the load of the machine, of this process and of GPUs, now and every so many seconds, from a thread.

        Each sample is an event ``sample`` of numbers; docs/how-to/output-and-system.md lists them. A forked child does
        not go on with it.

        Args:
            seconds: From sample to sample; at least 0.1.
            stream: The name of the stream; by default ``system``, or ``rank-3-system`` for the stream ``rank-3``.

        Returns:
            A `Watch`: a context manager, with a `stop`. The end of the experiment or of the program stops it, too.

        Raises:
            ValueError: *seconds* isn't such a number.
            RuntimeError: this experiment is watched already.
            LogClosed, InvalidName, StreamBusy, InvalidRecord, OSError: as for `stream`.
        """
        from ._monitor import Watch

        self._refuse_closed()
        if self._watch is not None and self._watch.is_running:
            raise RuntimeError("the system is watched already. Call stop() on what watch() returned, then begin again.")
        watch = Watch(lambda: self.stream(self._beside("system", stream)), self._folder, seconds)
        self._watch = self.log._companion = watch  # it goes on while somebody logs, though the experiment is dropped
        return watch

    def _beside(self, name: str, given: str | None) -> str:
        if given is not None:
            return portable(given, "a stream")
        own = self.log._stream.name
        return name if own == DEFAULT else f"{stream_name(own)}-{name}"

    def attach(self, source: object, name: str | None = None, *, how: str = "copy") -> File:
        """Put a file into the record: below ``files/``, immutable, with its digest in the log. Returns its reference.

        The same bytes under the same name again give the same reference; other bytes get ``name~2``.

        Args:
            source: The path of a file, which is left as it is; or bytes, a PIL image, a NumPy array or torch tensor
                that is an image, a matplotlib or plotly figure, or a table of pandas, polars or pyarrow, of which
                a file is made. An image is height x width, or with 1, 3 or 4 channels behind (a tensor's may come
                first), of uint8, uint16, bool or floats from 0 to 1.
            name: Its name below ``files/``: portable names joined by ``/``. By default the last part of a path, with
                ``_`` for every character that a portable name cannot have (the log holds the original); ``image.png``,
                ``figure.png``, ``figure.json`` (plotly) or ``table.csv``. Bytes need one. Its end says the format
                that a value is written in.
            how: For a path: "copy"; "reflink" shares the blocks where the file system can, and copies otherwise;
                "hardlink" shares the file itself, which then must never be changed.

        Raises:
            FileNotFoundError: *source* does not exist, or the experiment's directory was removed meanwhile.
            CannotAttach: it isn't a regular file, or changes while it is copied; ``files`` isn't a directory; or a
                value has no form in the format. Nothing was written then.
            TypeError: *source* is nothing of all that.
            LogClosed: after `close`.
            InvalidName: *name* has segments that aren't portable names, such as ``..``.
            OSError: the system refused, a hard link over file systems included.
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
        """A new file below ``files/`` to write into; it is published, hashed and logged when it is closed.

        Use it in a with block: where that is left by an exception, nothing is published.

        Args:
            name: As for `attach`; where it is taken by other bytes, the file gets ``name~2``.
            mode: "wb" (default) for bytes, "w" for text, which is UTF-8 with LF.

        Returns:
            A file object: a `NewFile`, or for text a `NewText` over one. Once it is closed, its reference is in `ref`.

        Raises InvalidName, CannotAttach, LogClosed and OSError.
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
        """Where the streams of this process stand: path of the stream → its last seq. Save it inside a checkpoint.

        Flushes, as `flush` does and with its errors: events up to the mark are there, whatever is killed.
        """
        return self._logs.mark()

    def rewind(self, mark: Mapping[str, int], reason: str | None = None) -> None:
        """Go back to a `mark`: what was logged after it is superseded, nothing is deleted; open spans stay unfinished.

        Args:
            mark: What `mark` returned.
            reason: A text for people.

        Raises:
            TypeError: *mark* isn't a mapping.
            ValueError: *mark* is not of this experiment, or names ``log.jsonl`` while this process does not have it.
                Nothing was rewound.
            StreamBusy: another process has one of its streams.
        """
        self._logs.rewind(mark, reason, self._last_record)

    def flush(self) -> None:
        """As `Logger.flush`, for all streams."""
        self._logs.flush()

    def close(self, status: str = "completed", error: BaseException | None = None) -> None:
        """End the experiment's work in this process: each of its streams gets an ``mlv/end``, which seals it.

        While `log` is paused they are sealed without an end, and the experiment stays paused.
        A second call does nothing. Arguments and errors as for `Logger.close`.
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

    def __enter__(self: _E) -> _E:
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
                f"the environment's {name} is {short(text)}, no number: give this worker's, join(path, rank)."
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
