"""
Reading an untrusted file system, which may change at this moment.

Every name is opened relative to the open directory that it is in and never through a symbolic link, and only regular
files are opened, so nothing outside the given directory is reached whatever is put in the way. Nothing is ever written.
"""

import errno
import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from mlv_validate._findings import path_order

MAX_DEPTH = 64
CHUNK = 1024 * 1024
MAX_SPARSE = 16 * 1024**3
"""More bytes than this are not hashed where next to none of them are on the disk: it would take hours for nothing."""

Progress = Callable[[str, int, int], None]
"""Called while a file is read, with its path below the target, the number of bytes read, and its size."""

PAUSE = 0.2
"""Seconds between two calls of a `Progress` for the same file."""

_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG}


class Absent(Exception):
    """There is no such file or directory, reached without symbolic links; the message says what there is."""


class Unreadable(Exception):
    """It cannot be said what there is, or it cannot be read; the message says why."""


class _Opened:
    """A descriptor that is closed at the end of a `with`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close it; a second time does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class File(_Opened):
    """An open regular file. `size` is that at the moment it was opened, and nothing beyond it is ever read."""

    def __init__(self, descriptor: int, name: str, path: str = "", progress: Progress | None = None) -> None:
        super().__init__(descriptor)
        self._name = name
        self._path = path or name
        self._progress = progress
        self._told = 0.0
        self._reached = 0
        self._opened = os.fstat(descriptor)
        self.size = self._opened.st_size

    @property
    def is_sparse(self) -> bool:
        """Whether next to none of its bytes are on the disk."""
        return getattr(self._opened, "st_blocks", self.size) * 512 < self.size // 64

    def read(self, offset: int, size: int) -> bytes:
        """The bytes from an offset, at most `size`; fewer at the end of the file and if it has become shorter."""
        parts = []
        end = min(offset + size, self.size)
        while offset < end:
            part = self._pread(min(CHUNK, end - offset), offset)
            if not part:
                break
            parts.append(part)
            offset += len(part)
        return b"".join(parts)

    def digest(self, start: int, end: int) -> str | None:
        """The SHA-256 of the bytes from `start` up to `end`; None if the file does not have them any more."""
        if end - start > MAX_SPARSE and self.is_sparse:
            raise Unreadable(f"it is a sparse file of {self.size} bytes, too many to compute a digest")
        state = hashlib.sha256()
        while start < end:
            part = self._pread(min(CHUNK, end - start), start)
            if not part:
                return None
            state.update(part)
            start += len(part)
        return state.hexdigest()

    def find(self, byte: bytes, offset: int) -> int | None:
        """The offset of the next such byte, which is not a NUL; None if there is none. Holes cost nothing."""
        while offset < self.size:
            offset = self._after_hole(offset)
            part = self._pread(min(CHUNK, self.size - offset), offset)
            at = part.find(byte)
            if at >= 0:
                return offset + at
            if not part:
                break
            offset += len(part)
        return None

    def changed(self, parent: "Directory | None") -> str | None:
        """What has happened to the file since it was opened that makes what was read worthless; None if nothing has."""
        try:
            now = os.fstat(self._descriptor)
            named = parent.status(self._name) if parent else now
        except (OSError, Absent, Unreadable):
            return "it was removed while it was read"
        if now.st_size < self.size:
            return "it became shorter while it was read"
        if (now.st_dev, now.st_ino) != (named.st_dev, named.st_ino):
            return "it was replaced while it was read"
        return None

    def _pread(self, size: int, offset: int) -> bytes:
        try:
            part = os.pread(self._descriptor, size, offset)
        except OSError as error:
            raise Unreadable(_reason(error)) from error
        if self._progress:
            self._reached = max(self._reached, offset + len(part))  # a digest reads bytes again that were read as lines
            now = time.monotonic()
            if now - self._told >= PAUSE:
                self._told = now
                self._progress(self._path, self._reached, self.size)
        return part

    def _after_hole(self, offset: int) -> int:
        if not hasattr(os, "SEEK_DATA"):
            return offset
        try:
            return os.lseek(self._descriptor, offset, os.SEEK_DATA)
        except OSError as error:  # ENXIO: nothing but a hole up to the end
            return self.size if error.errno == errno.ENXIO else offset


class Directory(_Opened):
    """An open directory; `progress` is called for the files that are read in and below it."""

    def __init__(self, descriptor: int, path: str = "", progress: Progress | None = None) -> None:
        super().__init__(descriptor)
        self._path = path
        self._progress = progress

    def identity(self) -> tuple[int, int]:
        """The identity of the directory on this machine."""
        status = os.fstat(self._descriptor)
        return status.st_dev, status.st_ino

    def duplicate(self) -> "Directory":
        """The same directory with a separate descriptor."""
        return Directory(os.dup(self._descriptor), self._path, self._progress)

    def reopened(self) -> "Directory":
        """The same directory opened again: a duplicate shares its place in the listing, also with other processes."""
        return self.directory(".")

    def entries(self) -> dict[str, str]:
        """The names in it and their types as in a listing (`file`, `directory`, `symlink`, `other`), in byte order."""
        kinds = {}
        try:
            with os.scandir(self._descriptor) as scan:
                for entry in scan:
                    kinds[os.fsencode(entry.name).decode("utf-8", "surrogateescape")] = _type(entry)
        except OSError as error:
            raise Unreadable(_reason(error)) from error
        return {name: kinds[name] for name in sorted(kinds, key=path_order)}

    def status(self, name: str) -> os.stat_result:
        """The status of an entry itself, without following it."""
        try:
            return os.stat(_bytes(name), dir_fd=self._descriptor, follow_symlinks=False)
        except OSError as error:
            raise _failure(error) from error

    def directory(self, name: str) -> "Directory":
        """Open a directory in this one."""
        try:
            descriptor = os.open(_bytes(name), _READ | os.O_NOFOLLOW | os.O_DIRECTORY, dir_fd=self._descriptor)
        except OSError as error:
            raise _failure(error) from error
        return Directory(descriptor, self._below(name), self._progress)

    def file(self, name: str) -> File:
        """Open a regular file in this directory."""
        # Checked first: even opening and closing does something to a pipe or to a device.
        if not stat.S_ISREG(self.status(name).st_mode):
            raise Absent("it is not a regular file")
        try:
            descriptor = os.open(_bytes(name), _READ | os.O_NOFOLLOW, dir_fd=self._descriptor)
        except OSError as error:
            raise _failure(error) from error
        return regular(descriptor, name, self._below(name), self._progress)

    def below(self, path: str) -> tuple["Directory", File]:
        """Open a regular file by a path of segments; returns also its directory, which is to be closed."""
        *folders, name = path.split("/")
        here = self.duplicate()
        try:
            for folder in folders:
                inner = here.directory(folder)
                here.close()
                here = inner
            return here, here.file(name)
        except BaseException:
            here.close()
            raise

    def _below(self, name: str) -> str:
        return os.path.join(self._path, name)


def regular(descriptor: int, name: str, path: str = "", progress: Progress | None = None) -> File:
    """A descriptor as a file, if it is one of a regular file; otherwise it is closed."""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Absent("it is not a regular file")
    return File(descriptor, name, path, progress)


def open_target(path: str, progress: Progress | None = None) -> Directory | File:
    """Open what the user gave: a directory or a regular file, here also through a symbolic link."""
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            return Directory(os.open(path, _READ | os.O_DIRECTORY), path, progress)
        if stat.S_ISREG(mode):
            return regular(os.open(path, _READ), os.path.basename(path), path, progress)
    except (OSError, Absent) as error:
        raise Unreadable(_reason(error)) from error
    raise Unreadable("it is neither a directory nor a regular file")


def walk(
    root: Directory,
    visit: Callable[[Directory, str, dict[str, str]], set[str]],
    unchecked: Callable[[str, str], None],
) -> None:
    """
    Visit the directory and every directory below it, to a depth of `MAX_DEPTH`.

    `visit` gets each open directory, its path (`""` for the first) and its entries, and returns the names of those
    directories in it that are to be skipped. Unreadable and deeper directories are passed to `unchecked`.
    """
    open_directories: list[tuple[Directory, str, Iterator[str]]] = []

    def enter(directory: Directory, path: str) -> None:
        try:
            entries = directory.entries()
        except Unreadable as error:
            directory.close()
            return unchecked(path or ".", str(error))
        omitted = visit(directory, path, entries)
        inner = (name for name, kind in entries.items() if kind == "directory" and name not in omitted)
        open_directories.append((directory, path, inner))

    enter(root, "")
    while open_directories:
        directory, path, names = open_directories[-1]
        name = next(names, None)
        if name is None:
            directory.close()
            open_directories.pop()
            continue
        inner_path = f"{path}/{name}" if path else name
        if len(open_directories) > MAX_DEPTH:
            unchecked(inner_path, f"it is more than {MAX_DEPTH} directories deep")
            continue
        try:
            enter(directory.directory(name), inner_path)
        except Absent:
            unchecked(inner_path, "it was moved, removed or replaced while the directory was read")
        except Unreadable as error:
            unchecked(inner_path, str(error))


def type_of(mode: int) -> str:
    """The mode of an entry as the type that a listing gives it."""
    types = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink"}
    return types.get(stat.S_IFMT(mode), "other")


def _type(entry: os.DirEntry[str]) -> str:
    # These ask the file system only where the listing itself does not say.
    if entry.is_symlink():
        return "symlink"
    if entry.is_dir(follow_symlinks=False):
        return "directory"
    return "file" if entry.is_file(follow_symlinks=False) else "other"


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _failure(error: OSError) -> Exception:
    if error.errno in _ABSENT:
        return Absent("it is a symbolic link" if error.errno == errno.ELOOP else "there is no such file")
    return Unreadable(_reason(error))


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
