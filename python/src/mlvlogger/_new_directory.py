"""The directory of a new experiment (specification 1.0, chapter Layout)."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

from ._disk.folder import Folder, check_path
from ._errors import ExperimentExists, InvalidName, NotAnExperiment
from ._format.names import DEFAULT_STREAM, FOLDERS, portable_name
from ._read.existing import SubSavedir
from ._read.nearest import enclosing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["free_names", "make_directory", "make_sub_directory", "refuse_existing"]


def free_names(savedir: str | os.PathLike[str] | SubSavedir, name: str) -> Iterator[str]:
    """Yield the names `name_1`, `name_2`, … that *savedir* doesn't have. The directory is listed once.

    If a name has no space for the number, `portable_name` makes the names.
    """
    try:
        if isinstance(savedir, SubSavedir):
            with Folder(savedir.folder, savedir.kind) as folder:
                taken = set(folder.names())
        else:
            taken = set(os.listdir(Path(savedir)))
    except OSError:  # a directory that can't be listed
        taken = set()
    yield from (free for number in count(1) if (free := portable_name(f"{name}_{number}")) not in taken)


def make_sub_directory(savedir: SubSavedir, name: str) -> Folder:
    """Create the directory of a sub-experiment, and return it open.

    Args:
        savedir: The savedir of the sub-experiment.
        name: The name of the sub-experiment.

    Raises:
        InvalidName: If the kind is the name of a folder of the record.
        ExperimentExists: If the directory holds an experiment.
        NotAnExperiment: If the directory of the experiment was moved or removed.
        OSError: If the system refuses.
    """
    if savedir.kind.lower() in FOLDERS:
        raise InvalidName(
            f"{os.fspath(savedir)} is a folder of the experiment {savedir.parent.path} that is for its record. "
            "Choose another kind."
        )
    inner = f"{savedir.kind}/{name}"
    refuse_existing(Path(savedir, name), lambda entry: savedir.folder.has(f"{inner}/{entry}"))
    if savedir.folder.is_removed:
        raise NotAnExperiment(
            f"{savedir.folder.path}: the directory of the experiment was moved or removed. Find it with Exp.find(path)."
        )
    return Folder(savedir.folder, savedir.kind, name)


def make_directory(directory: Path) -> tuple[Path, Path | None]:
    """Create the directory of an experiment.

    Returns:
        The absolute path of the directory, and the path of the experiment that encloses it, or None.

    Raises:
        InvalidName: If the directory is in a folder of another experiment's record.
        ExperimentExists: If the directory already holds an experiment.
        OSError: If the system refuses.
    """
    # The path is absolute from here on, because a thread may change the working directory at any time.
    absolute = Path(os.path.abspath(directory))
    check_path(absolute / "meta.json", "Give Exp another savedir.", OSError, directory)
    outer = enclosing(absolute.parent)
    # Upper case counts, too: some file systems ignore the case, so Files is files there.
    if outer is not None and any(part.lower() in FOLDERS for part in _inside(absolute, outer).parts[:1]):
        raise InvalidName(
            f"{directory} is in a folder of the experiment {outer} that is for its record. Choose another directory."
        )
    refuse_existing(directory, lambda entry: os.path.lexists(absolute / entry))
    try:
        missing = [part for part in (absolute, *absolute.parents) if not part.exists()]
        absolute.mkdir(parents=True, exist_ok=True)
        for created in missing:  # the names of the new directories must be on the disk before their files
            with Folder(created.parent) as folder:
                folder.sync()
    except OSError as error:
        reason = f"{error.strerror}. Give Exp a savedir in which you may make directories"
        raise OSError(error.errno, reason, os.fspath(directory)) from None
    return absolute, outer


def refuse_existing(directory: Path, has: Callable[[str], bool]) -> None:
    """Raise ExperimentExists if a directory has an experiment, or a log without one.

    Args:
        directory: The path of the directory, for messages.
        has: A function that returns whether the directory has an entry.
    """
    for name in ("meta.json", DEFAULT_STREAM):
        if has(name):
            reason = "holds an experiment already"
            if name != "meta.json":
                reason = f"has a {name} that belongs to no experiment"
            raise ExperimentExists(
                f"{directory} {reason}. Choose another name, or exists='number'; to continue it use Exp.resume(path) "
                "or exists='resume', to add to it Exp.open(path)."
            )


def _inside(path: Path, directory: Path) -> Path:
    """Return *path* relative to *directory*, with links resolved, or an empty path if it isn't in the directory."""
    try:
        return Path(os.path.realpath(path)).relative_to(os.path.realpath(directory))
    except ValueError:
        return Path()
