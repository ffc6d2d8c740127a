"""What an experiment has that exists, whether this process reads it or writes to it: metadata, parent, references."""

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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .. import Exp, Experiment
    from .._format.meta import Meta
    from .._format.references import File

__all__ = ["Below", "ExistingExperiment"]


class ExistingExperiment(ReadOnlyAttributes):
    """What `Exp` and `Experiment` have in common."""

    _directory: Directory
    _hint: str | None = None  # how a sub-experiment, whose parent this is, refers to it

    @property
    def path(self) -> Path:
        """A path that leads to the directory now: as given, or after a change of the working directory, absolute."""
        return Path(self._directory.path)

    def _take(self, meta: Meta) -> None:
        self.id: str = meta.id
        self.name: str = meta.records[0]["name"]
        self.kind: str = meta.records[0].get("kind", "")
        self.params: dict[str, Any] = read_only(decode_members(meta.params), "params", self)
        self.extra: dict[str, Any] = read_only(decode_members(meta.extra), "extra", self)
        self.tags: list[str] = read_only(meta.tags, "tags", self)
        parent = decode(meta.records[0].get("parent"))
        self.parent_ref: ExperimentRef | None = parent if isinstance(parent, ExperimentRef) else None

    @property
    def parent(self) -> Experiment | None:
        """The experiment that `parent_ref` names, where it encloses this one or lies where its hint says; or None."""
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
                    parent._hint = relative(directory, self.path)
                    return parent
        return None

    def ref(self, path: str | os.PathLike[str] | None = None) -> ExperimentRef | File:
        """A reference to the experiment (`ExperimentRef`) or, with *path*, to a file in it where it lies (`File`).

        Args:
            path: Of the file, below the experiment directory (or absolute).

        Raises:
            FileNotFoundError: *path* does not exist.
            CannotAttach: it isn't a regular file, changes while it is read, or has a name that is not UTF-8.
            InvalidName: it lies outside of the experiment, or in a sub-experiment.
        """
        if path is None:
            return ExperimentRef(self.id, self._hint)
        return file_in(self.path, self.id, path)

    def sub(self, name: str, params: Any = None, kind: str = "experiment", **options: Any) -> Exp:
        """Make a sub-experiment in ``<kind>/<name>`` below this one, with this one as its parent.

        Arguments and errors as for `Exp`.
        """
        from .. import Exp

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


class Below:
    """The savedir of sub-experiments of one kind: it is found through the directory of their experiment.

    Args:
        parent: The experiment.
        folder: The directory of the experiment.
        kind: The kind.
    """

    def __init__(self, parent: ExistingExperiment, folder: Folder, kind: str) -> None:
        self.parent = parent
        self.folder = folder
        self.kind = kind

    def __fspath__(self) -> str:
        return os.path.join(self.folder.path, self.kind)
