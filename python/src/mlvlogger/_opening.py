"""Opening an experiment to write to: its directory, its next metadata record and its first stream."""

from __future__ import annotations

import os
from pathlib import Path

from ._disk.folder import Folder, check_path
from ._errors import ExperimentExists, NotAnExperiment
from ._files import Files
from ._format.encode import encode
from ._format.names import DEFAULT_STREAM, stream_path
from ._format.references import ExperimentRef
from ._generated_name import generated_names
from ._messages import a_type, short
from ._new_directory import free_names, make_directory, make_sub_directory, refuse_existing
from ._open_streams import OpenStreams
from ._options import writer_options
from ._provenance import Provenance
from ._read.existing import ExistingExperiment, SubSavedir
from ._read.meta import load
from ._read.nearest import relative
from ._write import meta as _meta

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from ._format.meta import Meta
    from ._format.references import File
    from ._open_streams import StreamLogger

__all__ = ["Opening"]


class Opening:
    """A context manager that opens an experiment with one call of `create`, `resume`, `add` or `join`.

    Before `create`, `resume` and `add`, call `prepare_record`. If an exception leaves the `with` block, the directory
    is closed, also if the caller stores the exception.

    Args:
        on_error: As for `Exp`.
        writer: As for `Exp`.
        durability: As for `Exp`.
        takeover: As for `Exp`.

    Attributes:
        folder: The open directory of the experiment: all calls work on it, also if its name changes.
        files: The attached files.
        meta: The metadata records.
        record: The number and the digest of the record that the sessions of this process are under.
        streams: The open streams.
        log: The root logger of the first open stream.
        diff: The attached file of uncommitted changes, which isn't in the log yet; None if there is none.
        sync: Whether events are synced to the disk.
    """

    folder: Folder
    files: Files
    meta: Meta
    record: tuple[int, str]
    streams: OpenStreams
    log: StreamLogger

    def __init__(self, on_error: str, writer: str, durability: str, takeover: bool) -> None:
        self._on_error = on_error
        self._process, self.sync = writer_options(on_error, writer, durability)
        self._takeover = takeover
        self.diff: File | None = None

    def __enter__(self) -> Opening:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._release()

    def prepare_record(
        self,
        params: Any,
        extra: Any,
        tags: Iterable[str],
        description: str | None,
        variables: Iterable[str],
        redact: bool,
        diff: bool,
    ) -> None:
        """Set the content of the new metadata record. The arguments and exceptions are those of `Exp`."""
        self._members = _meta.members(params, extra, tags, description, redact)
        self._provenance = Provenance(variables, redact, diff)

    def create(self, savedir: Any, name: str | None, kind: str, exists: str, parent: Any) -> None:
        """Create an experiment, or resume an existing one. The arguments and exceptions are those of `Exp`."""
        if parent is not None and not isinstance(parent, (ExperimentRef, ExistingExperiment)):
            raise TypeError(
                f"parent is {short(parent)}, {a_type(parent)}. Pass an Exp, what read(path) returns, or an "
                "ExperimentRef."
            )
        if name is None:
            names, exists = generated_names(), "number"
            name = next(names)
        else:
            names = free_names(savedir, name)  # nothing is listed before the first `next`
        while True:
            try:
                self._create(savedir, name, kind, parent)
                return
            except ExperimentExists:
                self._release()
                if exists == "error":
                    raise
                if exists == "resume":
                    is_sub = isinstance(savedir, SubSavedir)
                    self.resume(Folder(savedir.folder, kind, name) if is_sub else Path(savedir, name))
                    return
                name = next(names)

    def _create(self, savedir: Any, name: str, kind: str, parent: Any) -> None:
        directory = Path(savedir, name)
        if isinstance(savedir, SubSavedir):
            self._open_folder(make_sub_directory(savedir, name))
            parent = savedir.parent if parent is None else parent
        else:
            absolute, outer = make_directory(directory)
            self._open_folder(absolute)
            self.folder.prefer_path(directory)
            if parent is None and outer is not None:
                parent = ExperimentRef(load(outer, environments=False).id, relative(outer, Path(self.folder.path)))
        members = {**self._members, "environment": self._environment("uncommitted.diff")}
        members.setdefault("params", {})
        if parent is not None:
            if not isinstance(parent, ExperimentRef):
                parent = ExperimentRef(parent.id, relative(parent.path, Path(self.folder.path)))
            members["parent"] = encode(parent, path="parent", depth=1)
        try:
            self.meta = _meta.create(self.folder, name, kind, members)
        except FileExistsError:
            refuse_existing(directory, self.folder.has)
            raise
        self.record = self.meta.last
        self._open_stream(DEFAULT_STREAM, lambda: self.record, new=True)

    def resume(self, path: str | os.PathLike[str] | Folder, stream: str = DEFAULT_STREAM) -> None:
        """Add the metadata record, and a session to a stream. The exceptions are those of `Exp.resume`.

        Args:
            path: The directory of the experiment.
            stream: The path of the stream.
        """
        self._open_folder(path)
        self.meta = self._load()
        # The stream is locked before the record is added: if another writer has it, no record is added.
        self._open_stream(stream, lambda: self._add_record(lambda number: stream))

    def add(self, path: str | os.PathLike[str]) -> None:
        """Add the metadata record, and the stream `run-N` for record N. The exceptions are those of `Exp.resume`."""
        self._open_folder(path)
        self.meta = self._load()
        number, _ = self._add_record(lambda number: stream_path(f"run-{number}"))
        self._open_stream(stream_path(f"run-{number}"), lambda: self.record)

    def join(self, path: str | os.PathLike[str], stream: str) -> None:
        """Add a session to a stream, and no metadata record. The exceptions are those of `Exp.resume`.

        Args:
            path: The directory of the experiment.
            stream: The path of the stream.
        """
        self._open_folder(path)
        self.meta = self._load()
        self.record = self.meta.last_of_default_stream
        self._open_stream(stream, lambda: self.record)

    def _open_folder(self, path: str | os.PathLike[str] | Folder) -> None:
        if isinstance(path, Folder):
            self.folder = path
        else:
            check_path(path, "Pass the directory of an experiment.", NotAnExperiment)
            try:
                self.folder = Folder(path)
            except (FileNotFoundError, NotADirectoryError):
                raise NotAnExperiment(
                    f"{os.fspath(path)} holds no experiment: there is no such directory. "
                    "Make one with Exp(savedir, name, params)."
                ) from None
        self.files = Files(self.folder)

    def _release(self) -> None:
        if hasattr(self, "folder"):
            self.folder.close()

    def _load(self) -> Meta:
        return load(self.folder, environments=False)

    def _add_record(self, stream: Callable[[int], str]) -> tuple[int, str]:
        environment = self._environment(f"uncommitted-{self.meta.last[0] + 1}.diff")
        new = {**self._members, "environment": environment}
        self.meta = _meta.add(self.folder, self.meta, new, self._load, stream)
        self.record = self.meta.last
        return self.record

    def _environment(self, diff_name: str) -> dict[str, Any]:
        # The file is logged later: the metadata record, which refers to the file, is written before the log is open.
        environment, diff = self._provenance.record(self.files, diff_name)
        self.diff = diff or self.diff
        return environment

    def _open_stream(self, name: str, record: Callable[[], tuple[int, str]], new: bool = False) -> None:
        self.streams = OpenStreams(self.folder, self.meta.id, self._on_error, self.sync, self._process, self._takeover)
        self.log = self.streams.open(name, record, new)
