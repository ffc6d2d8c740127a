"""Opening an experiment: its directory, held open, its next meta record and its first stream (chapter Meta)."""

from __future__ import annotations

import os
from pathlib import Path

from ._disk.folder import Folder
from ._disk.line_file import LocksUnsupported
from ._errors import ExperimentExists, NotAnExperiment
from ._files import Files
from ._format.encode import encode
from ._format.names import DEFAULT, stream_path
from ._format.references import ExperimentRef
from ._new_directory import free_names, make_below, make_directory, refuse_existing
from ._open_streams import OpenStreams
from ._options import writer_options
from ._provenance import Provenance
from ._read.existing import Below
from ._read.meta import load
from ._read.nearest import relative
from ._write import meta as _meta

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from ._format.meta import Meta
    from ._format.references import File
    from ._logger import StreamLogger

__all__ = ["Opening"]


class Opening:
    """The steps that open an experiment: one of `create`, `resume`, `add` and `join`, after `record` or without it.

    Used in a with block: if an exception leaves that, the directory is closed, however long the caller keeps the
    exception.

    Args:
        on_error, writer, durability: As for `Exp`.

    Attributes:
        folder: The directory, held open: everything goes to it, wherever its name leads.
        files: The attached files.
        meta: The meta records, of which the last is the one that new sessions run under.
        streams, log: The open streams, and the root logger of the first of them.
        diff: The file of uncommitted changes, which is attached and not in the log yet; None if there is none.
        sync: Whether streams are synced.
    """

    folder: Folder
    files: Files
    meta: Meta
    streams: OpenStreams
    log: StreamLogger

    def __init__(self, on_error: str, writer: str, durability: str) -> None:
        self._on_error = on_error
        self._process, self.sync = writer_options(on_error, writer, durability)
        self.diff: File | None = None

    def __enter__(self) -> Opening:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._let_go()

    def record(
        self,
        params: Any,
        extra: Any,
        tags: Iterable[str],
        description: str | None,
        variables: Iterable[str],
        redact: bool,
        diff: bool,
    ) -> None:
        """Say what the new meta record is to have: as for `Exp`."""
        self._members = _meta.members(params, extra, tags, description, redact)
        self._provenance = Provenance(variables, redact, diff)

    def create(self, savedir: Any, name: str, kind: str, exists: str, parent: Any) -> None:
        """Make the experiment, or what *exists* says if there is one. Arguments and errors as for `Exp`."""
        wanted = name
        names = None  # to take instead
        while True:
            try:
                self._create(savedir, name, kind, parent)
                return
            except ExperimentExists:
                self._let_go()
                if exists == "error":
                    raise
                if exists == "resume":
                    is_below = isinstance(savedir, Below)
                    self.resume(Folder(savedir.folder, kind, name) if is_below else Path(savedir, name))
                    return
                names = names or free_names(savedir, wanted)
                name = next(names)

    def _create(self, savedir: Any, name: str, kind: str, parent: Any) -> None:
        directory = Path(savedir, name)
        if isinstance(savedir, Below):
            self._hold(make_below(savedir, name))
            parent = savedir.parent if parent is None else parent
        else:
            absolute, outer = make_directory(directory)
            self._hold(absolute)
            self.folder.known_as(directory)
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
        self._start(DEFAULT, self._last_record, new=True)

    def resume(self, path: str | os.PathLike[str] | Folder, stream: str = DEFAULT) -> None:
        """Add the meta record, and a session to the stream, given by its path. Errors as for `Exp.resume`."""
        self._hold(path)
        self.meta = self._load()
        try:
            # The lock first: a script that cannot have the stream must not leave a record.
            self._start(stream, self._add)
        except LocksUnsupported:
            # If the file system can't show whether the stream has a writer, the session gets a separate stream.
            number, _ = self._add()
            self._start(stream_path(f"run-{number}"), self._last_record, new=True)

    def add(self, path: str | os.PathLike[str]) -> None:
        """Add the meta record, and a stream with its number. Errors as for `Exp.resume`."""
        self._hold(path)
        self.meta = self._load()
        number, _ = self._add()
        self._start(stream_path(f"run-{number}"), self._last_record)

    def join(self, path: str | os.PathLike[str], stream: str) -> None:
        """Add a session to the stream, given by its path, and no meta record. Errors as for `Exp.resume`."""
        self._hold(path)
        self.meta = self._load()
        self._start(stream, self._last_record)

    def _hold(self, path: str | os.PathLike[str] | Folder) -> None:
        if isinstance(path, Folder):
            self.folder = path
        else:
            try:
                self.folder = Folder(path)
            except (FileNotFoundError, NotADirectoryError):
                raise NotAnExperiment(
                    f"{os.fspath(path)} holds no experiment: there is no such directory. "
                    "Make one with Exp(savedir, name, params)."
                ) from None
        self.files = Files(self.folder)

    def _let_go(self) -> None:
        if hasattr(self, "folder"):
            self.folder.close()

    def _load(self) -> Meta:
        return load(self.folder, environments=False)

    def _add(self) -> tuple[int, str]:
        environment = self._environment(f"uncommitted-{self.meta.last[0] + 1}.diff")
        new = {**self._members, "environment": environment}
        self.meta = _meta.add(self.folder, self.meta, new, self._load)
        return self.meta.last

    def _environment(self, diff_name: str) -> dict[str, Any]:
        # The file is noted in the log when there is one: a meta record that refers to the file comes before it.
        environment, diff = self._provenance.record(self.files, diff_name)
        self.diff = diff or self.diff
        return environment

    def _last_record(self) -> tuple[int, str]:
        return self.meta.last

    def _start(self, name: str, record: Callable[[], tuple[int, str]], new: bool = False) -> None:
        self.streams = OpenStreams(self.folder, self.meta.id, self._on_error, self.sync, self._process)
        self.log = self.streams.open(name, record, new)
