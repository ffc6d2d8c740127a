"""The experiments of a tree of directories, including broken ones."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import mlvlogger
from mlvlogger import Experiment

__all__ = ["Found", "details", "find", "unfollowed"]


@dataclass(frozen=True)
class Found:
    """An experiment of a tree, as `mlvlogger.find` finds it.

    Attributes:
        path: The directory.
        name: The path relative to the root that was searched, with slashes; for the root itself, its own name.
        depth: The number of experiments that enclose the directory.
        experiment: The experiment, or None if it cannot be read.
        error: Why it cannot be read, and the command for details; "" if it can.
    """

    path: Path
    name: str
    depth: int
    experiment: Experiment | None
    error: str


def find(root: str | os.PathLike[str]) -> Iterator[Found]:
    """Find every experiment in and below *root*, in the order of their paths.

    Raises:
        FileNotFoundError: If *root* does not exist.
        NotADirectoryError: If *root* isn't a directory.
    """
    top = Path(root)
    for one in mlvlogger.find(top):
        error = f"{one.error} {details(one.path)}" if one.error else ""
        yield Found(one.path, _name(top, one.path), one.depth, one.experiment, error)


def unfollowed(root: str | os.PathLike[str]) -> list[str]:
    """Return the symbolic links below *root* that `find` doesn't follow and that may lead to experiments.

    These are the links to directories, except those inside experiments that don't lead to an experiment.
    """
    links: list[str] = []
    enclosing: list[str] = []
    for folder, folders, names in os.walk(root):
        while enclosing and not os.path.join(folder, "").startswith(enclosing[-1]):
            enclosing.pop()
        if "meta.json" in names:
            enclosing.append(os.path.join(folder, ""))
        for name in folders:
            path = os.path.join(folder, name)
            if os.path.islink(path) and (not enclosing or os.path.lexists(os.path.join(path, "meta.json"))):
                links.append(path)
    return sorted(links)


def details(directory: Path) -> str:
    """Return the hint that ends a message about an experiment: the command that explains what is wrong."""
    return f"(for details, run: mlv-validate {directory})"


def _name(top: Path, directory: Path) -> str:
    return directory.name or str(directory) if directory == top else directory.relative_to(top).as_posix()
