"""The search for experiments in a tree of directories (specification 1.0, chapters Layout and Conformance)."""

from __future__ import annotations

import os

from .._format.names import FOLDERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["walk"]

_MAX_LEVELS = 64  # directories below the root (`validator.findings`)


def walk(root: Path, is_experiment: Callable[[Path], bool]) -> Iterator[tuple[Path, int, OSError | None]]:
    """Find the experiment directories in and below *root*, in the order of their paths.

    Symbolic links aren't followed, and the folders of an experiment's record aren't searched.

    Args:
        root: The directory.
        is_experiment: A function that returns whether a directory is an experiment.

    Yields:
        An experiment directory, the number of experiments that enclose it, and None. For a directory that can't be
            searched, the third value is the error.
    """
    waiting = [(root, 0, 0)]
    while waiting:
        directory, level, depth = waiting.pop()
        found = is_experiment(directory)
        if found:
            yield directory, depth, None
        try:
            with os.scandir(directory) as entries:
                names = sorted((entry.name for entry in entries if entry.is_dir(follow_symlinks=False)), reverse=True)
        except OSError as error:
            yield directory, depth, error
            continue
        if level < _MAX_LEVELS:
            waiting += [
                (directory / name, level + 1, depth + found) for name in names if not (found and name in FOLDERS)
            ]
