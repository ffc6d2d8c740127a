"""The directory of a new experiment (specification 1.0, chapter Layout)."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

from ._disk.folder import Folder
from ._errors import ExperimentExists, InvalidName, NotAnExperiment
from ._format.names import DEFAULT, FOLDERS, portable_name
from ._read.existing import Below
from ._read.nearest import enclosing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["free_names", "make_below", "make_directory", "refuse_existing"]


def free_names(savedir: str | os.PathLike[str] | Below, name: str) -> Iterator[str]:
    """Return the names ``name_1``, ``name_2``, … without those that *savedir* has; the directory is listed once.

    Of a name that has no space for the number, `portable_name` makes the names.
    """
    try:
        if isinstance(savedir, Below):
            with Folder(savedir.folder, savedir.kind) as folder:
                taken = set(folder.names())
        else:
            taken = set(os.listdir(Path(savedir)))
    except OSError:  # a directory that can't be listed
        taken = set()
    return (free for number in count(1) if (free := portable_name(f"{name}_{number}")) not in taken)


def make_below(below: Below, name: str) -> Folder:
    """Make the directory of a sub-experiment and hold it open.

    Raises:
        InvalidName: If the kind is a folder of the record.
        ExperimentExists: If the directory holds an experiment.
        NotAnExperiment: If the directory of the experiment was moved or removed.
        OSError: If the system refuses.
    """
    if below.kind.lower() in FOLDERS:
        raise InvalidName(
            f"{os.fspath(below)} is a folder of the experiment {below.parent.path} that is for its record. "
            "Choose another kind."
        )
    inner = f"{below.kind}/{name}"
    refuse_existing(Path(below, name), lambda entry: below.folder.has(f"{inner}/{entry}"))
    if below.folder.is_removed:
        raise NotAnExperiment(
            f"{below.folder.path}: the directory of the experiment was moved or removed. Find it with Exp.find(path)."
        )
    return Folder(below.folder, below.kind, name)


def make_directory(directory: Path) -> tuple[Path, Path | None]:
    """Make the directory of an experiment.

    Returns:
        The absolute path of the directory, and that of the experiment that encloses it, if one does.

    Raises:
        InvalidName: If the directory is in a folder of another experiment's record.
        ExperimentExists: If the directory holds an experiment.
        OSError: If the system refuses.
    """
    # Absolute from here on: a thread may change the working directory at any moment.
    absolute = Path(os.path.abspath(directory))
    outer = enclosing(absolute.parent)
    # In any case of letters: where the file system ignores it, Files is files.
    if outer is not None and any(part.lower() in FOLDERS for part in _inside(absolute, outer).parts[:1]):
        raise InvalidName(
            f"{directory} is in a folder of the experiment {outer} that is for its record. Choose another directory."
        )
    refuse_existing(directory, lambda entry: os.path.lexists(absolute / entry))
    try:
        missing = [part for part in (absolute, *absolute.parents) if not part.exists()]
        absolute.mkdir(parents=True, exist_ok=True)
        for made in missing:  # the name of what is on the disk is on the disk, too
            with Folder(made.parent) as folder:
                folder.sync()
    except OSError as error:
        what = f"{error.strerror}. Give Exp a savedir in which you may make directories"
        raise OSError(error.errno, what, os.fspath(directory)) from None
    return absolute, outer


def refuse_existing(directory: Path, has: Callable[[str], bool]) -> None:
    """Raise ExperimentExists if the directory holds an experiment, or a log without one.

    Args:
        directory: The directory, for messages.
        has: Returns whether an entry exists in it.
    """
    for name in ("meta.json", DEFAULT):
        if has(name):
            what = "holds an experiment already"
            if name != "meta.json":
                what = f"has a {name} that belongs to no experiment"
            raise ExperimentExists(
                f"{directory} {what}. Choose another name, or exists='number'; to continue it use Exp.resume(path) "
                "or exists='resume', to add to it Exp.open(path)."
            )


def _inside(path: Path, directory: Path) -> Path:
    """Return *path* relative to *directory*, or an empty path if it really is elsewhere."""
    try:
        return Path(os.path.realpath(path)).relative_to(os.path.realpath(directory))
    except ValueError:
        return Path()
