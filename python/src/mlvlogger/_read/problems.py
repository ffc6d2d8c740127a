"""The parts of an experiment that a reader skips, and why."""

from __future__ import annotations

import os
import stat

from .._format.immutable import Immutable
from .._format.names import DEFAULT_STREAM, is_stream_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Problem", "is_regular", "torn_end", "wrong_type", "wrong_types"]

# What a reader leaves out if an entry isn't of the type that `layout.types` requires; of other streams, their events.
_LEFT_OUT = {
    "meta": "the additions in it were left out",
    "log": "the streams in it were left out",
    DEFAULT_STREAM: "its events were left out",
}


class Problem(Immutable):
    """A part of an experiment that a reader skipped.

    Args:
        path: The file, relative to the experiment directory.
        line: The number of the line, counted from 1; None for the whole file.
        message: Why it was skipped.
    """

    __slots__ = __match_args__ = ("path", "line", "message")

    path: str
    line: int | None
    message: str

    def __init__(self, path: str, line: int | None, message: str) -> None:
        self._set(path, line, message)

    def __str__(self) -> str:
        return f"{self.path}{'' if self.line is None else f':{self.line}'}: {self.message}"


def torn_end(path: str, torn: int) -> Problem:
    """Return the problem of a stream with so many bytes after the last line feed."""
    last = "byte has no line feed after it and isn't"
    if torn > 1:
        last = f"{torn} bytes have no line feed after them and aren't"
    return Problem(path, None, f"the last {last} part of the log")


def is_regular(path: Path) -> bool:
    """Return whether there is a regular file."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def wrong_types(directory: str) -> Iterator[tuple[str, str]]:
    """Yield the entries of an experiment that are left out because of their type, and why."""
    log = os.path.join(directory, "log")
    others: list[str] = []  # than regular files
    try:
        if not os.path.islink(log):
            with os.scandir(log) as entries:
                others = [one.name for one in entries if not one.is_file(follow_symlinks=False)]
    except OSError:
        pass  # usually there is no such folder; if it can't be searched, `Experiment.streams` raises the error
    for name in ("meta", DEFAULT_STREAM, "log", *(f"log/{name}" for name in sorted(filter(is_stream_file, others)))):
        if reason := wrong_type(directory, name):
            yield name, reason


def wrong_type(directory: str, name: str) -> str:
    """Return why an entry of an experiment is left out because of its type (`layout.types`); "" if it isn't."""
    try:
        mode = os.lstat(os.path.join(directory, name)).st_mode
    except OSError:
        return ""
    is_folder = name in ("meta", "log")
    if stat.S_ISDIR(mode) if is_folder else stat.S_ISREG(mode):
        return ""
    other = f"it isn't a {'directory' if is_folder else 'regular file'}"
    what = "it is a symbolic link, which is not followed" if stat.S_ISLNK(mode) else other
    return f"{what}; {_LEFT_OUT.get(name, 'its events were left out')}"
