"""The base class of experiments that this process reads or writes: metadata, parent, references, sub-experiments."""

from __future__ import annotations

import os
from pathlib import Path

from .._disk.folder import Directory, Folder
from .._errors import NotAnExperiment
from .._format.decode import decode, decode_members
from .._format.names import portable
from .._format.references import ExperimentRef
from .file_reference import file_in
from .meta import is_experiment
from .nearest import enclosing, relative
from .readonly import ReadOnlyAttributes, read_only
from .table_file import table_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, overload

    from .. import Exp, Experiment
    from .._format.meta import Meta
    from .._format.references import File
    from .._format.table import Table

__all__ = ["ExistingExperiment", "SubSavedir"]


class ExistingExperiment(ReadOnlyAttributes):
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

        experiment = Exp.find("runs/my_exp_1/model.pt")
        print(experiment.name, experiment.params["lr"])
        ```

        ```text
        my_exp_1 0.0003
        ```
    """

    _directory: Directory
    _path_hint: str | None = None  # of a parent: its path, relative to the sub-experiment that it was found from

    @property
    def path(self) -> Path:
        """A path that leads to the directory now: the given path while it leads there, otherwise an absolute path."""
        return Path(self._directory.path)

    def _load_meta(self, meta: Meta, number: int | None = None) -> None:
        """Set the attributes from the metadata records.

        Args:
            meta: The metadata records.
            number: The record whose values are in force; None for the effective values.
        """
        self.id: str = meta.id
        self.name: str = meta.records[0]["name"]
        self.kind: str = meta.records[0].get("kind", "")
        stream = None if number is None else meta.streams.get(number)
        params, extra = (
            decode_members(meta.in_force(member, number or len(meta.digests), stream)) for member in ("params", "extra")
        )
        self.params: dict[str, Any] = read_only(params, "params", self)
        self.extra: dict[str, Any] = read_only(extra, "extra", self)
        self.tags: list[str] = read_only(meta.tags, "tags", self)
        parent = decode(meta.records[0].get("parent"))
        self.parent_ref: ExperimentRef | None = parent if isinstance(parent, ExperimentRef) else None

    @property
    def parent(self) -> Experiment | None:
        """The parent experiment, or None if it isn't found.

        The parent is found if it encloses this experiment, or if the recorded path still leads to it.
        """
        if self.parent_ref is None:
            return None
        from .. import Experiment

        candidates = [enclosing(self.path.resolve().parent)]
        if self.parent_ref.path is not None:
            candidates.append(Path(os.path.normpath(self.path / self.parent_ref.path)))
        for directory in candidates:
            if directory is not None and is_experiment(directory):
                parent = Experiment(directory)
                if parent.id == self.parent_ref.id:
                    parent._path_hint = relative(directory, self.path)
                    return parent
        return None

    if TYPE_CHECKING:

        @overload
        def ref(self, path: None = None) -> ExperimentRef: ...

        @overload
        def ref(self, path: str | os.PathLike[str]) -> File: ...

    def ref(self, path: str | os.PathLike[str] | None = None) -> ExperimentRef | File:
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
            return ExperimentRef(self.id, self._path_hint)
        return file_in(self.path, self.id, path)

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
        from .. import Exp

        kind = portable(kind, "a kind")
        return Exp(SubSavedir(self, self._open_folder(), kind), name, params, kind, **options)

    def table(self, value: Table | File) -> Table:
        """Return a table of this experiment, also one that is in an attached file.

        Args:
            value: The value of an event: a `Table`, or a `File` with rows in JSON or CSV. The values in a CSV are
                strings.

        Raises:
            TypeError: If `value` is of another type.
            ValueError: If it is a file of another experiment or of another media type, such as Parquet.
            InvalidRecord: If the file isn't a table, or no longer has its size and digest.
            OSError: If the file can't be read.

        Example:
            ```python
            from mlvlogger import Exp, Table, read

            with Exp("runs", "my_exp_1") as exp:
                exp.log.event("squares", table=Table(["n", "square"], ((n, n * n) for n in range(2000))))

            experiment = read("runs/my_exp_1")
            [event] = experiment.events("squares")
            print(event.data["table"].path, len(experiment.table(event.data["table"]).rows))
            ```

            ```text
            files/squares/table.ndjson 2000
            ```
        """
        return table_of(self.path, self.id, value)

    def _open_folder(self) -> Folder:
        """Return the open directory of the experiment.

        Raises:
            NotAnExperiment: If the directory was moved or removed.
            OSError: If the system refuses.
        """
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


class SubSavedir:
    """The savedir of sub-experiments of one kind: the folder `<kind>` in the directory of their parent.

    Args:
        parent: The parent.
        folder: The open directory of the parent.
        kind: The kind of the sub-experiments.
    """

    def __init__(self, parent: ExistingExperiment, folder: Folder, kind: str) -> None:
        self.parent = parent
        self.folder = folder
        self.kind = kind

    def __fspath__(self) -> str:
        return os.path.join(self.folder.path, self.kind)
