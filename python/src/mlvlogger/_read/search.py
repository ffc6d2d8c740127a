"""The search for experiments in a tree of directories (specification 1.0, chapters Layout and Conformance)."""

from __future__ import annotations

import os

from .._format.names import FOLDERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["leads_outside", "walk"]

_MAX_LEVELS = 64  # directories below the root (`validator.findings`)


def walk(
    root: Path, is_experiment: Callable[[Path], bool], links: list[Path] | None = None
) -> Iterator[tuple[Path, int, OSError | None]]:
    """Find the experiment directories in and below *root*, in the order of their paths.

    Symbolic links aren't followed, and the folders of an experiment's record aren't searched.

    Args:
        root: The directory.
        is_experiment: A function that returns whether a directory is an experiment.
        links: A list that gets the symbolic links that may lead to experiments: those to directories, but of those in
            an experiment only the links to an experiment.

    Yields:
        An experiment directory, the number of experiments that enclose it, and None. For a directory that can't be
            searched, or is too deep, the third value is the error.
    """
    waiting = [(root, 0, 0)]
    while waiting:
        directory, level, depth = waiting.pop()
        if level > _MAX_LEVELS:
            yield directory, depth, OSError(f"it is more than {_MAX_LEVELS} directories deep")
            continue
        found = is_experiment(directory)
        if found:
            yield directory, depth, None
        try:
            names = []
            with os.scandir(directory) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        names.append(entry.name)
                    elif links is not None and entry.is_symlink() and os.path.isdir(entry.path):
                        is_inside = depth + found > 0
                        if not is_inside or os.path.lexists(os.path.join(entry.path, "meta.json")):
                            links.append(directory / entry.name)
        except OSError as error:
            yield directory, depth, error
            continue
        waiting += [
            (directory / name, level + 1, depth + found)
            for name in sorted(names, reverse=True)
            if not (found and name in FOLDERS)
        ]


def leads_outside(link: Path, root: Path) -> bool:
    """Whether a symbolic link leads to a path that isn't *root* or below it."""
    top, target = os.path.realpath(root), os.path.realpath(link)
    return target != top and not target.startswith(os.path.join(top, ""))
