"""The function `find`: all experiments in a tree of directories, damaged ones included."""

from __future__ import annotations

import os
from pathlib import Path

from .._disk.folder import check_path
from .._format.immutable import Immutable
from .experiment import Experiment, search
from .meta import is_experiment
from .search import leads_outside, walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .._errors import MLVError

__all__ = ["Found", "find", "unfollowed_links"]


class Found(Immutable):
    """An experiment that `find` found.

    Args:
        path: The directory.
        depth: The number of experiments that enclose the directory in the tree that was searched.
        experiment: The `Experiment`, or None if it can't be read.
        error: The reason, an `MLVError` or OSError, if the experiment can't be read or the directory can't be searched;
            otherwise None.
    """

    __slots__ = __match_args__ = ("path", "depth", "experiment", "error")

    path: Path
    depth: int
    experiment: Experiment | None
    error: MLVError | OSError | None

    def __init__(self, path: Path, depth: int, experiment: Experiment | None, error: MLVError | OSError | None) -> None:
        self._set(path, depth, experiment, error)


def find(root: str | os.PathLike[str]) -> Iterator[Found]:
    """Find every experiment in and below a directory, including those that can't be read.

    The experiments are yielded in the order of their paths; a sub-experiment comes after the experiment that encloses
    it. `root` may be a symbolic link; links below it aren't followed (`unfollowed_links` finds them). The search is 64
    directories deep, as that of `mlv-validate`; a directory that is deeper can't be searched.

    Args:
        root: The directory.

    Yields:
        A `Found` for each directory that `read` reads, or whose `meta.json` is damaged, has an unknown version or can't
            be read; and for each directory that can't be searched, also if it is an experiment that was yielded before.

    Raises:
        FileNotFoundError: If `root` does not exist.
        NotADirectoryError: If `root` isn't a directory.
        PermissionError: If `root` can't be searched.
        OSError: If the system refuses for another reason.
    """
    check_path(root, "Pass an existing directory.")
    top = Path(root)
    os.scandir(top).close()
    for directory, depth, found in search(top):
        if isinstance(found, Experiment):
            yield Found(directory, depth, found, None)
        else:
            yield Found(directory, depth, None, found)


def unfollowed_links(root: str | os.PathLike[str], *, outside: bool = False) -> list[Path]:
    """Find the symbolic links below a directory that `find` and `read.all` don't follow and may lead to experiments.

    These are the links to directories. Of the links in an experiment, only those to an experiment count.

    Args:
        root: The directory.
        outside: Whether to leave out links to directories in `root`, whose experiments `find` finds. Default: False.

    Returns:
        The paths of the links, in order.

    Raises:
        FileNotFoundError: If `root` does not exist.
        NotADirectoryError: If `root` isn't a directory.
        OSError: If the system refuses.
    """
    check_path(root, "Pass an existing directory.")
    top = Path(root)
    os.scandir(top).close()
    links: list[Path] = []
    for _ in walk(top, is_experiment, links):
        pass
    return sorted(link for link in links if not outside or leads_outside(link, top))
