"""Finding experiments in a tree of directories, the broken ones too."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import mlvlogger
from mlvlogger import Experiment, MLVError

__all__ = ["Found", "find"]

_OURS = ("meta", "log", "files")  # folders of an experiment, in which there are no experiments
_DEEPEST = 64  # levels below the root


@dataclass(frozen=True)
class Found:
    """A directory with a meta.json that says it is an experiment, or once was one.

    Attributes:
        path: The directory.
        name: Its path relative to the root that was searched, with slashes; the root's own name for the root itself.
        depth: In how many experiments it is.
        experiment: What `mlvlogger.read` made of it, None where that failed.
        error: Why it failed, and the command for details; "" where it did not.
    """

    path: Path
    name: str
    depth: int
    experiment: Experiment | None
    error: str


def find(root: str | os.PathLike[str]) -> Iterator[Found]:
    """Every experiment in and below *root*, in the order of their paths; a sub-experiment after its parent.

    *root* may be a symbolic link; below it, none is followed. Raises FileNotFoundError and NotADirectoryError.
    """
    top = Path(root)
    os.scandir(top).close()
    yield from _find(top, top, 0, 0)


def _find(top: Path, directory: Path, level: int, depth: int) -> Iterator[Found]:
    found = _read(top, directory, depth)
    if found is not None:
        yield found
    try:
        with os.scandir(directory) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError as error:
        if found is None:
            yield Found(directory, _name(top, directory), depth, None, f"it cannot be searched: {error}")
        return
    if level == _DEEPEST:
        return
    for name in names:
        if found is None or name not in _OURS:
            yield from _find(top, directory / name, level + 1, depth + (found is not None))


def _read(top: Path, directory: Path, depth: int) -> Found | None:
    meta = directory / "meta.json"
    if not os.path.lexists(meta):
        return None
    try:
        return Found(directory, _name(top, directory), depth, mlvlogger.read(directory), "")
    except mlvlogger.NotAnExperiment:
        return None
    except (MLVError, OSError) as error:
        return Found(
            directory, _name(top, directory), depth, None, f"{error} (for details, run: mlv-validate {directory})"
        )


def _name(top: Path, directory: Path) -> str:
    return directory.name or str(directory) if directory == top else directory.relative_to(top).as_posix()
