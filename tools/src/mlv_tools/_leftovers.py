"""Temporary files that killed writers left in experiments: which there are, and how they are removed safely."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Leftover", "find_leftovers", "remove"]

_PREFIX = ".mlv-"  # of temporary names, by the specification (`writer.publish`)
_YOUNG = 60  # seconds: a writer that begins has a temporary file before it has a stream with a lock
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True)
class Leftover:
    """A temporary file, or an empty directory with a temporary name.

    Attributes:
        directory: The experiment's.
        name: Its path in the experiment.
        size: Its bytes.
        changed: When it was changed last, in seconds since 1970.
        identity: Device and inode, by which it is known again.
        kept: Why it is not removed: "" if it can be.
    """

    directory: Path
    name: str
    size: int
    changed: float
    identity: tuple[int, int]
    kept: str


def find_leftovers(directory: Path) -> list[Leftover]:
    """Return the temporary files of one experiment, by name; the ones of sub-experiments are theirs. Changes nothing.

    The locks of its streams are held for a moment, if there are any files.
    """
    root = os.open(directory, _OPEN)
    try:
        found = dict(_scan(root))
        if not found:
            return []
        with _locked(root) as busy:
            opened = _opened()
            return [_leftover(directory, name, found[name], busy, opened) for name in sorted(found)]
    finally:
        os.close(root)


def remove(leftovers: list[Leftover]) -> Iterator[tuple[Leftover, str]]:
    """Remove temporary files of one experiment, while the locks of all its streams are held.

    Yields each of *leftovers* that existed, with "" if it was removed, and otherwise why it was not: what has
    happened since they were found counts.
    """
    directory = leftovers[0].directory
    root = os.open(directory, _OPEN)
    try:
        with _locked(root) as busy:
            opened = _opened()
            for one in leftovers:
                folder, _, last = one.name.rpartition("/")
                try:
                    fd = _enter(root, folder)
                except OSError:
                    continue  # it is gone, with its folder
                try:
                    status = os.stat(last, dir_fd=fd, follow_symlinks=False)
                    if (status.st_dev, status.st_ino) != one.identity:
                        continue
                    kept = _leftover(directory, one.name, status, busy, opened).kept
                    if not kept:
                        (os.rmdir if stat.S_ISDIR(status.st_mode) else os.unlink)(last, dir_fd=fd)
                    yield one, kept
                except FileNotFoundError:
                    continue
                except OSError as error:
                    yield one, error.strerror or str(error)
                finally:
                    os.close(fd)
    finally:
        os.close(root)


def _leftover(directory: Path, name: str, status: os.stat_result, busy: str, opened: dict[str, str]) -> Leftover:
    changed = max(status.st_mtime, status.st_ctime)  # a hard link has the time of what it is a link to
    kept = busy
    if not kept and (process := opened.get(os.path.realpath(directory / name))):
        kept = f"process {process} has it open"
    if not kept and time.time() - changed < _YOUNG:
        kept = f"changed within the last {_YOUNG} seconds"
    return Leftover(directory, name, status.st_size, changed, (status.st_dev, status.st_ino), kept)


def _scan(root: int) -> Iterator[tuple[str, os.stat_result]]:
    for top in (os.curdir, "meta", "log", "files"):
        try:
            for path, folders, files, fd in os.fwalk(top, dir_fd=root):
                prefix = "" if top == os.curdir else f"{path}/"
                for name in (*files, *folders):
                    if name.startswith(_PREFIX) and (status := _temporary(name, fd)):
                        yield prefix + name, status
                if top != "files":
                    break
        except FileNotFoundError:
            continue


def _temporary(name: str, fd: int) -> os.stat_result | None:
    try:
        status = os.stat(name, dir_fd=fd, follow_symlinks=False)
        if stat.S_ISREG(status.st_mode) or (stat.S_ISDIR(status.st_mode) and not _names(fd, name)):
            return status
    except OSError:
        pass  # it has gone meanwhile, or isn't readable
    return None


def _names(root: int, folder: str) -> list[str]:
    """The names in a folder; none if there is no such directory. A symbolic link is none."""
    try:
        fd = _enter(root, folder)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return []
        raise
    try:
        return os.listdir(fd)
    finally:
        os.close(fd)


def _enter(root: int, folder: str) -> int:
    """A descriptor of a folder, through which nothing but directories was followed."""
    fd = os.dup(root)
    for name in filter(None, folder.split("/")):
        try:
            inner = os.open(name, _OPEN | os.O_NOFOLLOW, dir_fd=fd)
        finally:
            os.close(fd)
        fd = inner
    return fd


@contextmanager
def _locked(root: int) -> Iterator[str]:
    """Hold the lock of every stream of an experiment; gives why that is not possible, or ""."""
    held: list[int] = []
    try:
        yield _lock(root, held)
    finally:
        for fd in held:
            os.close(fd)


def _lock(root: int, held: list[int]) -> str:
    import fcntl

    seen: set[str] = set()
    while True:
        streams = {"log.jsonl", *(f"log/{name}" for name in _names(root, "log") if name.endswith(".jsonl"))} - seen
        if not streams:
            return ""  # nor has a stream been added meanwhile
        for name in sorted(streams):
            try:
                fd = _open_stream(root, name)
                if fd is None:
                    continue
                held.append(fd)
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return f"{name} has a writer"
            except OSError as error:
                return f"the lock of {name} cannot be taken: {error.strerror}"
        seen |= streams


def _open_stream(root: int, name: str) -> int | None:
    flags = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    folder, _, last = name.rpartition("/")
    try:
        outer = _enter(root, folder)
        try:
            try:
                fd = os.open(last, os.O_RDWR | flags, dir_fd=outer)  # network file systems lock no file for reading
            except OSError as error:
                if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                    raise
                fd = os.open(last, os.O_RDONLY | flags, dir_fd=outer)
        finally:
            os.close(outer)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.ENXIO):
            return None  # no stream, or none any more
        raise
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    return None


def _opened() -> dict[str, str]:
    """The paths of temporary files that processes of this host have open, as far as we may see, and one process each.

    A forked worker that has logged nothing holds no lock.
    """
    found: dict[str, str] = {}
    try:
        processes = [name for name in os.listdir("/proc") if name.isdecimal()]
    except OSError:
        return found
    for process in processes:
        try:
            descriptors = os.listdir(f"/proc/{process}/fd")
        except OSError:
            continue
        for descriptor in descriptors:
            try:
                path = os.readlink(f"/proc/{process}/fd/{descriptor}")
            except OSError:
                continue
            if f"/{_PREFIX}" in path:
                found[path] = process
    return found
