"""All experiments of a tree of directories, including broken ones."""

from __future__ import annotations

import os
from pathlib import Path

from .._errors import MLVError, NotAnExperiment
from .._format.immutable import Immutable
from .experiment import Experiment
from .search import walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Found", "find"]


class Found(Immutable):
    """An experiment that `find` found.

    Args:
        path: The directory.
        depth: The number of experiments that enclose the directory in the tree that was searched.
        experiment: The `Experiment`, or None if it cannot be read.
        error: Why it cannot be read: an `MLVError` or OSError; otherwise None.
    """

    __slots__ = __match_args__ = ("path", "depth", "experiment", "error")

    path: Path
    depth: int
    experiment: Experiment | None
    error: MLVError | OSError | None

    def __init__(self, path: Path, depth: int, experiment: Experiment | None, error: MLVError | OSError | None) -> None:
        self._set(path, depth, experiment, error)


def find(root: str | os.PathLike[str]) -> Iterator[Found]:
    """Find every experiment in and below the directory *root*, including those that cannot be read.

    The order is that of their paths; a sub-experiment comes after the experiment that encloses it.
    *root* may be a symbolic link; below it, none is followed.
    The search goes 64 directories deep, as that of `mlv-validate` does.

    Args:
        root: The directory.

    Yields:
        A `Found` for each directory that `read` reads, or whose ``meta.json`` is damaged, of an unknown version or not
        readable; and for each directory that cannot be searched.

    Raises:
        FileNotFoundError: If *root* does not exist.
        NotADirectoryError: If *root* isn't a directory.
        PermissionError: If *root* cannot be searched.
    """
    top = Path(root)
    os.scandir(top).close()
    found: Found | None = None

    def is_experiment(directory: Path) -> bool:
        nonlocal found
        found = _read(directory)
        return found is not None

    for directory, depth, error in walk(top, is_experiment):
        if found is None and error is not None:
            yield Found(directory, depth, None, OSError(f"{directory} cannot be searched: {error}"))
        elif found is not None and error is None:
            yield Found(directory, depth, found.experiment, found.error)


def _read(directory: Path) -> Found | None:
    if not os.path.lexists(directory / "meta.json"):  # most directories have none, and this is the fastest way to know
        return None
    try:
        return Found(directory, 0, Experiment(directory), None)
    except NotAnExperiment:
        return None
    except (MLVError, OSError) as error:
        return Found(directory, 0, None, error)
