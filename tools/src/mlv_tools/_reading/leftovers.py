"""Temporary files that killed writers left in experiments: find them and remove them safely."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlvlogger import FOLDERS, TEMPORARY_PREFIX, Experiment, LockHolder, lock_holders

__all__ = ["Leftover", "find_leftovers", "remove"]

_LOCK = ".lock"  # the end of the name of a lock folder
_YOUNG = 60  # seconds: a writer that starts has a temporary file before it has a stream with a lock
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True)
class Leftover:
    """A temporary file, or an empty directory with the name of one.

    Attributes:
        directory: The directory of the experiment.
        name: The path in the experiment.
        size: The size in bytes.
        changed: The time of the last change, in seconds since 1970.
        identity: Device and inode, which identify the file later.
        kept: Why the file isn't removed; "" if it can be.
    """

    directory: Path
    name: str
    size: int
    changed: float
    identity: tuple[int, int]
    kept: str


def find_leftovers(directory: Path) -> list[Leftover]:
    """Return the temporary files of one experiment by name, without those of its sub-experiments.

    Nothing is changed. If there are files, the locks of all streams are held for a moment.

    Raises:
        OSError: If the directory cannot be searched.
    """
    root = os.open(directory, _OPEN)
    try:
        found = dict(_scan(root))
        if not found:
            return []
        with _locked(root, directory) as busy:
            opened = _opened()
            return [_leftover(directory, name, found[name], busy, opened) for name in sorted(found)]
    finally:
        os.close(root)


def remove(leftovers: list[Leftover]) -> Iterator[tuple[Leftover, str]]:
    """Remove temporary files of one experiment, while the locks of all its streams are held.

    Each file is checked again, because its state may have changed since `find_leftovers`.

    Args:
        leftovers: Files of one experiment that `find_leftovers` returned.

    Yields:
        Each file that still exists, with "" if it was removed, otherwise with the reason why it was not.
    """
    directory = leftovers[0].directory
    root = os.open(directory, _OPEN)
    try:
        with _locked(root, directory) as busy:
            opened = _opened()
            for one in leftovers:
                folder, _, last = one.name.rpartition("/")
                try:
                    fd = _enter(root, folder)
                except OSError:
                    continue  # its folder was removed
                try:
                    status = os.stat(last, dir_fd=fd, follow_symlinks=False)
                    if (status.st_dev, status.st_ino) != one.identity:
                        continue
                    kept = _leftover(directory, one.name, status, busy, opened).kept
                    if not kept:
                        (os.rmdir if stat.S_ISDIR(status.st_mode) else os.unlink)(last, dir_fd=fd)
                        _remove_lock_folder(root, folder)
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
    changed = max(status.st_mtime, status.st_ctime)  # a hard link has the mtime of the original
    kept = busy
    if not kept and (process := opened.get(os.path.realpath(directory / name))):
        kept = f"process {process} has it open"
    if not kept and time.time() - changed < _YOUNG:
        kept = f"changed within the last {_YOUNG} seconds"
    return Leftover(directory, name, status.st_size, changed, (status.st_dev, status.st_ino), kept)


def _scan(root: int) -> Iterator[tuple[str, os.stat_result]]:
    for top in (os.curdir, *FOLDERS):
        try:
            for path, folders, files, fd in os.fwalk(top, dir_fd=root):
                prefix = "" if top == os.curdir else f"{path}/"
                for name in (*files, *folders):
                    if name.startswith(TEMPORARY_PREFIX) and (status := _temporary(name, fd)):
                        yield prefix + name, status
                    elif _is_lock_folder(name):
                        yield from _scan_lock_folder(root, prefix + name)
                if top != "files":
                    break
        except FileNotFoundError:
            continue


def _is_lock_folder(name: str) -> bool:
    return name.startswith(TEMPORARY_PREFIX) and name.endswith(_LOCK)


def _scan_lock_folder(root: int, folder: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the lock files in the lock folder of a stream (specification 1.0, Bytes, One writer)."""
    for name in _names(root, folder):
        fd = _enter(root, folder)
        try:
            if len(name) == 32 and (status := _temporary(name, fd)):
                yield f"{folder}/{name}", status
        finally:
            os.close(fd)


def _remove_lock_folder(root: int, folder: str) -> None:
    """Remove the folder of a lock file that was removed, if it was the last one."""
    outer, _, name = folder.rpartition("/")
    if not _is_lock_folder(name):
        return
    try:
        fd = _enter(root, outer)
    except OSError:
        return
    try:
        os.rmdir(name, dir_fd=fd)
    except OSError:
        pass  # it isn't empty, or a writer has removed it
    finally:
        os.close(fd)


def _may_run(holder: LockHolder) -> bool:
    """Return whether a process that has a lock file may still run, given that its stream isn't locked by `flock`.

    If it isn't known, a process of this host wrote the file before a restart: a writer that still runs on this host
    holds `flock`, or is found by its process id.
    """
    if holder.is_running is None and holder.host == os.uname().nodename and holder.pid is not None:
        return os.path.exists(f"/proc/{holder.pid}")
    return holder.is_running is not False


def _temporary(name: str, fd: int) -> os.stat_result | None:
    try:
        status = os.stat(name, dir_fd=fd, follow_symlinks=False)
        if stat.S_ISREG(status.st_mode) or (stat.S_ISDIR(status.st_mode) and not _names(fd, name)):
            return status
    except OSError:
        pass  # it was removed in the meantime, or this user may not inspect it
    return None


def _names(root: int, folder: str) -> list[str]:
    """Return the names in a folder, or none if it isn't a directory or is a symbolic link."""
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
    """Open a folder without following symbolic links, and return its descriptor."""
    fd = os.dup(root)
    for name in filter(None, folder.split("/")):
        try:
            inner = os.open(name, _OPEN | os.O_NOFOLLOW, dir_fd=fd)
        finally:
            os.close(fd)
        fd = inner
    return fd


@contextmanager
def _locked(root: int, directory: Path) -> Iterator[str]:
    """Hold the locks of all streams of an experiment; yields why that is impossible, or ""."""
    held: list[int] = []
    try:
        yield _lock(root, directory, held)
    finally:
        for fd in held:
            os.close(fd)


def _lock(root: int, directory: Path, held: list[int]) -> str:
    seen: set[str] = set()
    while True:
        streams = {
            Experiment.default_stream,
            *(f"log/{name}" for name in _names(root, "log") if name.endswith(".jsonl")),
        } - seen
        if not streams:
            return ""  # and no stream was added in the meantime
        for name in sorted(streams):
            try:
                fd = _open_stream(root, name)
                if fd is None:
                    continue
                held.append(fd)
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if any(map(_may_run, lock_holders(directory, name))):
                    return f"{name} has a writer, by its lock files"
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
                # Network file systems refuse to lock a file that is open for reading only.
                fd = os.open(last, os.O_RDWR | flags, dir_fd=outer)
            except OSError as error:
                if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                    raise
                fd = os.open(last, os.O_RDONLY | flags, dir_fd=outer)
        finally:
            os.close(outer)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.ENXIO):
            return None  # it isn't a stream, or was removed
        raise
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    return None


def _opened() -> dict[str, str]:
    """Return the temporary files that processes of this host have open: the path, and the id of one process.

    A forked worker that hasn't logged anything holds no lock, but has one of them open. Processes of other users are
    invisible.
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
            if f"/{TEMPORARY_PREFIX}" in path:
                found[path] = process
    return found
