"""Safe reading of directories that may be malicious, and that others may change at any moment.

Every name is opened relative to its open directory and never through a symbolic link, and only regular files are
opened. So nothing outside the given directory is reached, whatever is in it. Nothing is ever written.
"""

import errno
import hashlib
import os
import stat
import time
from collections.abc import Callable, Collection, Iterator
from types import TracebackType
from typing import Self

from mlv_validate._findings import path_order

MAX_DIRECTORY_DEPTH = 64
_CHUNK_SIZE = 1024 * 1024
_MAX_SPARSE_SIZE = 16 * 1024**3  # the digest of a larger sparse file would take hours

Progress = Callable[[str, int, int], None]
"""A callback while a file is read, with its path, the number of bytes that were read, and its size."""

PROGRESS_INTERVAL = 0.2
"""Seconds between two calls of a `Progress` for the same file."""

_READ_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG}


class Absent(Exception):
    """An error: a file or directory doesn't exist, or is a symbolic link or of another type, as the message says."""


class Unreadable(Exception):
    """An error: a file or directory can't be examined or read; the message says why."""


class _Opened:
    """A file descriptor that is closed at the end of a `with`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the descriptor; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class File(_Opened):
    """An open regular file. `size` is the size when it was opened; nothing after it is ever read."""

    def __init__(self, descriptor: int, name: str, path: str = "", progress: Progress | None = None) -> None:
        super().__init__(descriptor)
        self._name = name
        self._path = path or name
        self._progress = progress
        self._reported_at = 0.0
        self._reached = 0
        self._opened = os.fstat(descriptor)
        self.size = self._opened.st_size

    @property
    def is_sparse(self) -> bool:
        """Whether almost none of the bytes are on the disk."""
        return getattr(self._opened, "st_blocks", self.size) * 512 < self.size // 64

    def read(self, offset: int, size: int) -> bytes:
        """Return at most `size` bytes from an offset; fewer at the end of the file, and if it became shorter."""
        parts = []
        end = min(offset + size, self.size)
        while offset < end:
            part = self._pread(min(_CHUNK_SIZE, end - offset), offset)
            if not part:
                break
            parts.append(part)
            offset += len(part)
        return b"".join(parts)

    def digest(self, start: int, end: int) -> str | None:
        """Return the SHA-256 of the bytes from `start` to `end`; None if the file became too short."""
        if end - start > _MAX_SPARSE_SIZE and self.is_sparse:
            raise Unreadable(f"it is a sparse file of {self.size} bytes, too many to compute a digest")
        state = hashlib.sha256()
        while start < end:
            part = self._pread(min(_CHUNK_SIZE, end - start), start)
            if not part:
                return None
            state.update(part)
            start += len(part)
        return state.hexdigest()

    def find(self, byte: bytes, offset: int) -> int | None:
        """Return the offset of the next such byte; None if there isn't one.

        Args:
            byte: The byte. It must not be NUL, because holes are skipped.
            offset: Where to begin.
        """
        while offset < self.size:
            offset = self._after_hole(offset)
            part = self._pread(min(_CHUNK_SIZE, self.size - offset), offset)
            at = part.find(byte)
            if at >= 0:
                return offset + at
            if not part:
                break
            offset += len(part)
        return None

    def how_changed(self, parent: "Directory | None") -> str | None:
        """Return how the file changed since it was opened, if the bytes that were read can't be used; else None."""
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
            if now - self._reported_at >= PROGRESS_INTERVAL:
                self._reported_at = now
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
        """Return what distinguishes the directory from all others on this machine."""
        status = os.fstat(self._descriptor)
        return status.st_dev, status.st_ino

    def duplicate(self) -> "Directory":
        """Return the same directory with a separate descriptor, which shares the position in the listing."""
        return Directory(os.dup(self._descriptor), self._path, self._progress)

    def reopened(self) -> "Directory":
        """Open the same directory again, so that even another process has its own position in the listing."""
        return self.open_directory(".")

    def entries(self) -> dict[str, str]:
        """Return the names and their types (`file`, `directory`, `symlink`, `other`), in byte order."""
        types = {}
        try:
            with os.scandir(self._descriptor) as scan:
                for entry in scan:
                    types[os.fsencode(entry.name).decode("utf-8", "surrogateescape")] = _type(entry)
        except OSError as error:
            raise Unreadable(_reason(error)) from error
        return {name: types[name] for name in sorted(types, key=path_order)}

    def status(self, name: str) -> os.stat_result:
        """Return the status of an entry itself, without following links."""
        try:
            return os.stat(_bytes(name), dir_fd=self._descriptor, follow_symlinks=False)
        except OSError as error:
            raise _failure(error) from error

    def open_directory(self, name: str) -> "Directory":
        """Open a directory in this one."""
        try:
            descriptor = os.open(_bytes(name), _READ_FLAGS | os.O_NOFOLLOW | os.O_DIRECTORY, dir_fd=self._descriptor)
        except OSError as error:
            raise _failure(error) from error
        return Directory(descriptor, self._below(name), self._progress)

    def open_file(self, name: str) -> File:
        """Open a regular file in this directory."""
        # The type is checked first: even opening and closing affects a pipe or a device.
        if not stat.S_ISREG(self.status(name).st_mode):
            raise Absent("it is not a regular file")
        try:
            descriptor = os.open(_bytes(name), _READ_FLAGS | os.O_NOFOLLOW, dir_fd=self._descriptor)
        except OSError as error:
            raise _failure(error) from error
        return _regular_file(descriptor, name, self._below(name), self._progress)

    def open_below(self, path: str) -> tuple["Directory", File]:
        """Open a regular file by a path of segments, and its directory, which the caller must close, too."""
        *folders, name = path.split("/")
        here = self.duplicate()
        try:
            for folder in folders:
                inner = here.open_directory(folder)
                here.close()
                here = inner
            return here, here.open_file(name)
        except BaseException:
            here.close()
            raise

    def _below(self, name: str) -> str:
        return os.path.join(self._path, name)


def _regular_file(descriptor: int, name: str, path: str = "", progress: Progress | None = None) -> File:
    """Return the file of a descriptor, which is closed if the file isn't a regular one.

    Raises:
        Absent: If the file isn't a regular one.
    """
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Absent("it is not a regular file")
    return File(descriptor, name, path, progress)


def open_target(path: str, progress: Progress | None = None) -> Directory | File:
    """Open the path that the user gave, a directory or a regular file; here, symbolic links are followed."""
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            return Directory(os.open(path, _READ_FLAGS | os.O_DIRECTORY), path, progress)
        if stat.S_ISREG(mode):
            return _regular_file(os.open(path, _READ_FLAGS), os.path.basename(path), path, progress)
    except (OSError, Absent) as error:
        raise Unreadable(_reason(error)) from error
    raise Unreadable("it is neither a directory nor a regular file")


def walk(
    root: Directory,
    visit: Callable[[Directory, str, dict[str, str]], Collection[str]],
    unchecked: Callable[[str, str], None],
) -> None:
    """Visit the directory and every directory below it, to a depth of `MAX_DIRECTORY_DEPTH`.

    Args:
        root: The directory.
        visit: Called with each open directory, its path (`""` for the first) and its entries; returns the names of the
            directories in it to skip.
        unchecked: Called with the path and the reason for directories that can't be read or are deeper.
    """
    open_directories: list[tuple[Directory, str, Iterator[str]]] = []

    def enter(directory: Directory, path: str) -> None:
        try:
            entries = directory.entries()
        except Unreadable as error:
            directory.close()
            return unchecked(path or ".", str(error))
        omitted = visit(directory, path, entries)
        inner = (name for name, type_ in entries.items() if type_ == "directory" and name not in omitted)
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
        if len(open_directories) > MAX_DIRECTORY_DEPTH:
            unchecked(inner_path, f"it is more than {MAX_DIRECTORY_DEPTH} directories deep")
            continue
        try:
            enter(directory.open_directory(name), inner_path)
        except Absent:
            unchecked(inner_path, "it was moved, removed or replaced while the directory was read")
        except Unreadable as error:
            unchecked(inner_path, str(error))


def type_of(mode: int) -> str:
    """Return the type of an entry by its mode."""
    types = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink"}
    return types.get(stat.S_IFMT(mode), "other")


def _type(entry: os.DirEntry[str]) -> str:
    # These methods ask the file system only if the listing has no type.
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
