"""The experiments of a tree of directories, including broken ones."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import mlvlogger
from mlvlogger import Experiment, unfollowed_links

__all__ = ["Found", "details", "find", "links_outside", "state_of", "unread"]


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


def links_outside(root: str | os.PathLike[str]) -> str:
    """Return the message about symbolic links that may lead to experiments outside of *root*, or ""."""
    links = unfollowed_links(root, outside=True)
    if not links:
        return ""
    what = "1 symbolic link isn't" if len(links) == 1 else f"{len(links)} symbolic links aren't"
    return (
        f"{what} followed and may lead to experiments outside of {os.fspath(root)!r}, such as {os.fspath(links[0])!r}"
    )


def state_of(experiment: Experiment) -> str:
    """Return the state of an experiment, as `Experiment.state`, which takes a log that can't be read for an open one.

    Raises:
        UnsupportedVersion: If the log is of a version that can't be read.
        OSError: If the log can't be read.
    """
    state = experiment.state
    log = experiment.path / experiment.default_stream
    if os.path.lexists(log):
        if experiment.default_stream not in experiment.streams:
            raise OSError(f"{log} cannot be read: it isn't a regular file")
        with open(log, "rb"):
            pass
    return state


def details(directory: Path) -> str:
    """Return the hint that ends a message about an experiment: the command that explains what is wrong."""
    return f"(for details, run: mlv-validate {directory})"


def unread(experiment: Experiment) -> dict[str, str]:
    """Return the parts of an experiment that no reader reads because they aren't what they must be, with the reasons.

    These are `meta` or `log` if it isn't a directory, and a stream that isn't a regular file; links aren't followed.
    """
    path, found = experiment.path, {}
    log = path / "log"
    streams = sorted(log.glob("*.jsonl")) if log.is_dir() and not log.is_symlink() else []
    for part in (path / "meta", log, path / experiment.default_stream, *streams):
        is_stream = part.suffix == ".jsonl"
        if part.is_symlink():
            reason = "is a symbolic link"
        elif os.path.lexists(part) and not (part.is_file() if is_stream else part.is_dir()):
            reason = f"isn't a {'regular file' if is_stream else 'directory'}"
        else:
            continue
        name = part.relative_to(path).as_posix()
        found[name] = f"{name} {reason} and isn't read"
    return found


def _name(top: Path, directory: Path) -> str:
    return directory.name or str(directory) if directory == top else directory.relative_to(top).as_posix()
