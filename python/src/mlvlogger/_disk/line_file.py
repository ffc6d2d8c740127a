"""A file of lines that has one writer: each line is in the kernel before the call returns, whole or not at all.

The module handles bytes, not events. It guarantees (specification 1.0, `writer.line`, `writer.torn`, `writer.one`,
`writer.file-own`): after every call that returns, the file ends with a line feed, and after every call that raises, as
soon as the system permits it; no second writer has the file; and nothing is written to another program's file.
"""

from __future__ import annotations

import errno
import os
import stat
from io import open as open_file  # while the interpreter ends, the built-in name is gone
from sys import is_finalizing

from .._errors import StreamBusy
from .folder import Folder, identity
from .forks import ForkAware
from .stream_lock import StreamLock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, NoReturn

    from .folder import Identity

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["FileChanged", "LineFile"]

_seek, _END = os.lseek, os.SEEK_END  # every line needs them: a global is found faster than an attribute
# Windows locks bytes, not files. No log has this byte, so the lock doesn't block readers.
_LOCKED_BYTE = 2**62


class FileChanged(OSError):
    """The error for a file that another program changed since the last write.

    Nothing was written, and nothing may be written to the file any more.

    Attributes:
        how: The change: "removed" (the name is free), "replaced" (another file has the name), "truncated" or
            "extended" (the size differs), "closed" (the descriptor now belongs to another file), or "taken over"
            (another writer has the lock).
    """

    def __init__(self, how: str) -> None:
        super().__init__(errno.ESTALE, f"the file was {how} by another program")
        self.how = how


class LineFile:
    """A file to which whole lines are appended, locked by the operating system if it has locks for this file.

    Args:
        path: The file; with *root*, a path below *root*, joined by slashes.
        new: Whether to create the file. If False, the file must exist.
        root: An open folder. Folders of *path* that are missing in it are created.

    Raises:
        FileExistsError: If the file exists, with *new*.
        FileNotFoundError: If the file doesn't exist, without *new*.
        StreamBusy: If another writer has the lock of the operating system on the file.
        OSError: If the file can't be opened, or isn't a regular file.
    """

    #: The lock of the operating system on the file: "flock", "windows", or None if there is none.
    kernel_lock: str | None

    def __init__(self, path: str | os.PathLike[str], *, new: bool, root: Folder | None = None) -> None:
        flags = (
            os.O_RDWR
            | os.O_APPEND
            | getattr(os, "O_CLOEXEC", 0)
            | getattr(os, "O_NOFOLLOW", 0)
            | getattr(os, "O_BINARY", 0)
        )
        # O_NONBLOCK: to open a pipe under this name must not wait for its other end. Regular files ignore the flag.
        flags |= getattr(os, "O_NONBLOCK", 0) | (os.O_CREAT | os.O_EXCL if new else 0)
        name = os.fspath(path)
        if root is None:
            fd = os.open(name, flags, 0o666)
        else:
            *folders, last = name.split("/")
            with Folder(root, *folders) as folder:
                fd = folder.opener(last, flags)
        self._initialize(fd, name, root)
        try:
            status = os.fstat(self._fd)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(f"{self.path} is not a regular file")
            self.identity: Identity = identity(status)
            self.kernel_lock = _lock(self._fd, self.path)
            self.refresh()
        except BaseException:
            self.abandon()
            raise

    @classmethod
    def from_descriptor(cls, fd: int, path: str | os.PathLike[str], size: int | None = None) -> LineFile:
        """Return the file of an open descriptor that already has the lock.

        Args:
            fd: The descriptor, which `close` closes.
            path: The path of the file, for messages.
            size: The expected size in bytes, by default the actual one. A difference is another program's change.

        Raises:
            OSError: If the system refuses.
        """
        file = cls.__new__(cls)
        file._initialize(fd, os.fspath(path), None)
        file.identity = identity(os.fstat(fd))
        file.refresh()
        if size is not None:
            file.position = (size, 0)
        return file

    def _initialize(self, fd: int, name: str, root: Folder | None) -> None:
        self._fd = fd
        #: The given path, which `check` and messages use.
        self.name: str = name
        self._root: Folder | None = root
        self._closed = False
        self.kernel_lock = None
        #: The lock of the stream, which `acquire_lock` sets. `check` checks it, and `close` releases it.
        self.lock: StreamLock | None = None
        _files.add(self)  # before the file is locked: another thread may fork at any moment
        self._sync_error: OSError | None = None
        #: `size` and `lines`. They are one tuple, so that a signal handler's exception can't come between the two.
        self.position: tuple[int, int] = (0, 0)
        #: The pieces that were written, in order and up to `size`, until the owner clears the list; None: not recorded.
        self.recent: list[bytes] | None = None
        #: Lines that an error or an exception may have written in part, until `settle` checks the file.
        self.pending: bytes = b""

    def adopt_path(self, other: LineFile) -> None:
        """Take the path and the lock of *other*, which is another object for the same file."""
        self.name, self._root = other.name, other._root
        self.kernel_lock, self.lock = other.kernel_lock, other.lock

    def acquire_lock(self, takeover: bool = False) -> None:
        """Acquire the lock of the stream that the file is.

        Args:
            takeover: As for `StreamLock`.

        Raises:
            LockHeld: If another writer holds it.
            OSError: If the system refuses.
        """
        assert self._root is not None
        self.lock = StreamLock(self._root, self.name, self.kernel_lock, takeover)
        self.refresh()  # its last writer may have written until then

    @property
    def path(self) -> str:
        """The path of the file, for messages."""
        return self.name if self._root is None else os.path.join(self._root.path, self.name)

    @property
    def fd(self) -> int:
        """The descriptor, which holds the lock: a process that has a copy of it keeps the file locked."""
        return self._fd

    @property
    def size(self) -> int:
        """The number of bytes that are whole lines; the bytes after them were never acknowledged."""
        return self.position[0]

    @property
    def lines(self) -> int:
        """The number of lines that this writer has written."""
        return self.position[1]

    def write(self, line: bytes, count: int = 1) -> None:
        """Append one or more lines, whole or not at all.

        Args:
            line: The line, or several lines, which end with a line feed.
            count: The number of lines.

        Raises:
            FileChanged: If another program changed the size of the file. Nothing was written.
            OSError: If the line wasn't written in full. The line doesn't count as written, and the next call of
                `write` or `settle` removes its beginning.
        """
        if self.pending:
            self.settle()
        size, lines = self.position
        if _seek(self._fd, 0, _END) != size:
            self._raise_changed()
        self.pending = line
        length = len(line)
        written = os.write(self._fd, line)
        while written < length:  # a short write: the disk is nearly full, or a limit is near
            written += os.write(self._fd, line[written:])
        if self.recent is not None:
            self.recent.append(line)  # before `position` changes: `settle` relies on this order
        self.position = (size + length, lines + count)
        self.pending = b""

    def settle(self) -> None:
        """Make the file end with a whole line, after a failed or interrupted write.

        An exception of a signal handler may have interrupted it. Whole lines stay and count as written, because a
        reader may have seen them. Bytes after the last line feed are removed.

        Raises:
            FileChanged: If the file doesn't have the beginning of these lines. Nothing is removed.
            OSError: If the system refuses.
        """
        if not self.pending:
            return
        size, lines = self.position
        length = self._size() - size
        found = self.read(length, size)
        if length != len(found) or not self.pending.startswith(found):
            self._raise_changed()
        whole = found.rfind(b"\n") + 1
        if whole < len(found):
            os.ftruncate(self._fd, size + whole)
        if whole and self.recent is not None and (not self.recent or self.recent[-1] is not self.pending):
            self.recent.append(self.pending[:whole])
        self.position = (size + whole, lines + found.count(b"\n"))
        self.pending = b""

    def check(self, size: bool = True) -> None:
        """Compare the file with the file at its path (`writer.file-check`), and check the lock (`writer.lock-check`).

        An edit in place that doesn't change the size isn't detected here, but by a seal.

        Args:
            size: Whether the file must have the size `size`. Not while the writer process writes.

        Raises:
            FileChanged: If the identity or the size differs, or another writer has the lock.
            OSError: If the system can't determine it.
        """
        found = self._size()
        if size and not self.pending and found != self.position[0]:
            self._raise_changed()  # also if the name is another file's by now: the bytes may be another program's
        if self._root is not None:
            try:
                there = self._root.stat(self.name)
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                    raise
                raise FileChanged("removed") from None
            if identity(there) != self.identity:
                raise FileChanged("replaced")
        if self.lock is not None and not self.lock.check():
            raise FileChanged("taken over")

    def _size(self) -> int:
        """Return the size of the file, after a check that the descriptor is still this file's."""
        try:
            status = os.fstat(self._fd)
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
        else:
            if identity(status) == self.identity:
                return status.st_size
        self._closed = True  # the program has closed descriptors that it didn't open: the number is another file's now
        raise FileChanged("closed")

    def _raise_changed(self) -> NoReturn:
        raise FileChanged("truncated" if self._size() < self.position[0] else "extended")

    def refresh(self) -> None:
        """Take the size from the file, to which the writer process has appended whole lines."""
        self.position = (os.fstat(self._fd).st_size, self.position[1])

    def sync(self) -> None:
        """Return when all lines are on the disk.

        Raises:
            OSError: If some lines may not be on the disk; after one failure, every call raises, because a second sync
                that succeeds proves nothing about the bytes of the first.
        """
        if self._sync_error is not None:
            raise OSError(f"an earlier sync of {self.path} failed: {self._sync_error}") from self._sync_error
        try:
            getattr(os, "fdatasync", os.fsync)(self._fd)  # macOS has no fdatasync
        except OSError as error:
            self._sync_error = error
            raise

    def read(self, size: int, offset: int) -> bytes:
        """Return *size* bytes from *offset*, or fewer at the end of the file."""
        parts = []
        while size > 0:
            if hasattr(os, "pread"):
                part = os.pread(self._fd, size, offset)
            else:  # Windows; O_APPEND writes at the end, so the position of the file can change
                os.lseek(self._fd, offset, os.SEEK_SET)
                part = os.read(self._fd, size)
            if not part:
                break
            parts.append(part)
            size, offset = size - len(part), offset + len(part)
        return b"".join(parts)

    def reader(self) -> IO[bytes]:
        """Return the file, open for reading at its beginning. The caller closes it."""
        reader = open_file(os.dup(self._fd), "rb")  # noqa: UP020
        reader.seek(0)
        return reader

    def truncate(self, size: int) -> None:
        """Remove all bytes after the first *size* bytes, such as a torn line after a crash."""
        os.ftruncate(self._fd, size)
        self.position = (size, self.lines)

    def close(self) -> None:
        """Close the file and release its locks. A second call does nothing."""
        try:
            if not self._closed:
                self.settle()
        finally:
            if self.lock is not None:
                self.lock.release()
            self.abandon()

    def abandon(self) -> None:
        """Close the descriptor and don't check the file: for a forked child, whose parent keeps the lock."""
        if not self._closed:
            is_own = self._owns_descriptor()
            # From here to the call of `close`, no exception of a signal handler can come.
            self._closed = True
            fd, self._fd = self._fd, -1  # the number may soon be another file's
            if is_own:
                os.close(fd)

    def _owns_descriptor(self) -> bool:
        """Return whether the descriptor is this file's: a program may close descriptors that it didn't open."""
        try:
            return not hasattr(self, "identity") or identity(os.fstat(self._fd)) == self.identity
        except OSError as error:
            return error.errno != errno.EBADF  # other errors are of the disk, not of the descriptor

    def __del__(self) -> None:
        # A writer that is dropped without a close must release the lock. Its lines are in the kernel.
        # At the end of the interpreter, other finalizers may run later, and log.
        if not getattr(self, "_closed", True) and not is_finalizing():
            self.abandon()


def _lock(fd: int, path: str | os.PathLike[str]) -> str | None:
    """Lock an open file, and return the kind of the lock; None if the file system has no locks."""
    try:
        if fcntl is not None:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return "flock"
        import msvcrt

        os.lseek(fd, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
        return "windows"
    except (BlockingIOError, PermissionError):
        raise StreamBusy(os.fspath(path)) from None
    except OSError:
        return None


_files = ForkAware(LineFile.abandon)
