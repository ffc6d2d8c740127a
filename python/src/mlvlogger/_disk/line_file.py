"""A file of lines that has one writer: each line is in the kernel before the call returns, whole or not at all.

It knows bytes, not events. What it promises (specification 1.0, `writer.line`, `writer.torn`, `writer.one`,
`writer.file-own`): the file ends with a line feed after every call that returns, and after every call that raises as
soon as the system lets it; no second writer has the file; and another program's file isn't written to.
"""

from __future__ import annotations

import errno
import os
import stat
from sys import is_finalizing

from .._errors import StreamBusy
from .folder import Folder, identity
from .forks import ForkAware

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, NoReturn

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["FileChanged", "LineFile", "LocksUnsupported"]

_seek, _END = os.lseek, os.SEEK_END  # for every line
_LOCKED_BYTE = 2**62  # Windows locks bytes, not files: one far beyond any log, so that readers are not locked out


class LocksUnsupported(OSError):
    """The file system has no locks, so that a second writer can't be excluded."""


class FileChanged(OSError):
    """The file isn't the one that its writer left: nothing was written, and nothing may be written to it any more.

    Attributes:
        how: What happened: "removed" (the name is free), "replaced" (another file has the name), "truncated" or
            "extended" (another program has changed its size), or "closed" (the descriptor is another file's now).
    """

    def __init__(self, how: str) -> None:
        super().__init__(errno.ESTALE, f"the file was {how} by another program")
        self.how = how


class LineFile:
    """Appends lines to a file that it has locked.

    Args:
        path: The file; with *root*, below that, its folders joined by slashes.
        new: Make it, and fail if it exists; otherwise it must exist.
        root: A folder that is held open. Folders of *path* that are missing in it are made.

    Raises:
        FileExistsError, FileNotFoundError: by *new*.
        StreamBusy: another writer has the file.
        LocksUnsupported: the file system has no locks, and the file is not new.
        OSError: it cannot be opened, or isn't a regular file.
    """

    def __init__(self, path: str | os.PathLike[str], *, new: bool, root: Folder | None = None) -> None:
        flags = (
            os.O_RDWR
            | os.O_APPEND
            | getattr(os, "O_CLOEXEC", 0)
            | getattr(os, "O_NOFOLLOW", 0)
            | getattr(os, "O_BINARY", 0)
        )
        # O_NONBLOCK: a pipe under this name must not make us wait for its other end. It has no effect on regular files.
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
            self.identity = identity(status)
            _lock(self._fd, self.path)
            self.refresh()
        except LocksUnsupported:
            if not new:  # no other process can have a file that was just made
                self.abandon()
                raise
        except BaseException:
            self.abandon()
            raise

    @classmethod
    def from_descriptor(cls, fd: int, path: str | os.PathLike[str], size: int | None = None) -> LineFile:
        """Return the file of a descriptor, which is locked already and closed by `close`.

        Args:
            size: The bytes that it has, if they aren't read from the file: a difference is another program's change.
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
        #: As given: what `check` asks for, and what is in messages.
        self.name: str = name
        self._root: Folder | None = root
        self._closed = False
        _files.add(self)  # before the file is locked: another thread may fork at any moment
        self._sync_error: OSError | None = None
        #: `size` and `lines`. One tuple, so that a signal handler's exception cannot come between the two.
        self.position = (0, 0)
        #: What was written since it was taken, in order and up to `size`, if it is wanted.
        self.recent: list[bytes] | None = None
        #: Lines that an error or an exception may have left in part: `settle` finds out.
        self.pending = b""

    def adopt_path(self, other: LineFile) -> None:
        """Be at the path of another object for the same file."""
        self.name, self._root = other.name, other._root

    @property
    def path(self) -> str:
        """Its path, for messages."""
        return self.name if self._root is None else os.path.join(self._root.path, self.name)

    @property
    def fd(self) -> int:
        """The descriptor, which carries the lock: whoever has it open has the file."""
        return self._fd

    @property
    def size(self) -> int:
        """Bytes of the file that are whole lines; the bytes after them were never acknowledged."""
        return self.position[0]

    @property
    def lines(self) -> int:
        """How many lines this writer has written."""
        return self.position[1]

    def write(self, line: bytes, count: int = 1) -> None:
        """Append *line*, which ends with a line feed, whole or not at all; or *count* of them in one piece.

        Raises:
            FileChanged: If the size of the file isn't the one that we left. Nothing was written.
            OSError: If not all of the line is in the file. Then it doesn't count as written, and is cut off before the
                next.
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
            self.recent.append(line)  # before it counts: see `settle`
        self.position = (size + length, lines + count)
        self.pending = b""

    def settle(self) -> None:
        """Put the file in order after a write that failed or was interrupted by an exception of a signal handler.

        A line that is whole stays and counts as written: a reader may have seen it. What has no line feed is cut off.

        Raises:
            FileChanged: If what is in the file isn't the beginning of what was written. Nothing is cut off then.
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
        """Compare the file with the one at its path (`writer.file-check`).

        An edit in place that leaves the size as it is can't be seen here: a seal shows it.

        Args:
            size: Whether `size` is the one that the file must have: not while the writer process writes.

        Raises:
            FileChanged: If it isn't the file that we left, by identity or size.
            OSError: If the system can't tell.
        """
        found = self._size()
        if size and not self.pending and found != self.position[0]:
            self._raise_changed()  # whatever became of the name: its bytes may not be ours
        if self._root is not None:
            try:
                there = self._root.stat(self.name)
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                    raise
                raise FileChanged("removed") from None
            if identity(there) != self.identity:
                raise FileChanged("replaced")

    def _size(self) -> int:
        """The bytes of the file, after a check that it is still ours."""
        try:
            status = os.fstat(self._fd)
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
        else:
            if identity(status) == self.identity:
                return status.st_size
        self._closed = True  # the program has closed descriptors that it doesn't know: the number is another file's
        raise FileChanged("closed")

    def _raise_changed(self) -> NoReturn:
        raise FileChanged("truncated" if self._size() < self.position[0] else "extended")

    def refresh(self) -> None:
        """Take the size from the file: the writer process, which also has its descriptor, has added whole lines."""
        self.position = (os.fstat(self._fd).st_size, self.position[1])

    def sync(self) -> None:
        """Return when all lines are on the disk.

        Raises OSError when they may not be, and from then on always: a second sync that succeeds proves nothing about
        the bytes of the first.
        """
        if self._sync_error is not None:
            raise OSError(f"an earlier sync of {self.path} failed: {self._sync_error}") from self._sync_error
        try:
            getattr(os, "fdatasync", os.fsync)(self._fd)  # macOS has no fdatasync
        except OSError as error:
            self._sync_error = error
            raise

    def read(self, size: int, offset: int) -> bytes:
        """The *size* bytes from *offset*, fewer at the end of the file."""
        parts = []
        while size > 0:
            if hasattr(os, "pread"):
                part = os.pread(self._fd, size, offset)
            else:  # Windows; O_APPEND writes at the end wherever the file's position is
                os.lseek(self._fd, offset, os.SEEK_SET)
                part = os.read(self._fd, size)
            if not part:
                break
            parts.append(part)
            size, offset = size - len(part), offset + len(part)
        return b"".join(parts)

    def reader(self) -> IO[bytes]:
        """The file from its beginning, to be read and closed."""
        reader = open(os.dup(self._fd), "rb")
        reader.seek(0)
        return reader

    def truncate(self, size: int) -> None:
        """Keep the first *size* bytes: to remove what a crash left after the last line feed."""
        os.ftruncate(self._fd, size)
        self.position = (size, self.lines)

    def close(self) -> None:
        """Close the file and release the lock. A second call does nothing."""
        if self._closed:
            return
        try:
            self.settle()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close the file and touch nothing: in a forked child, where the parent keeps its lock."""
        if not self._closed:
            is_ours = self._owns_descriptor()
            # From here to the call of `close`, no exception of a signal handler can come.
            self._closed = True
            fd, self._fd = self._fd, -1  # the number may soon be another file's
            if is_ours:
                os.close(fd)

    def _owns_descriptor(self) -> bool:
        """Whether the descriptor is the file's: a program may close descriptors that it doesn't know."""
        try:
            return not hasattr(self, "identity") or identity(os.fstat(self._fd)) == self.identity
        except OSError as error:
            return error.errno != errno.EBADF  # the disk may be in trouble

    def __del__(self) -> None:
        # A writer that was dropped without a close must not keep the lock. Everything it wrote is in the kernel.
        # At the end of the interpreter, the finalizers of others may come later, and log.
        if not getattr(self, "_closed", True) and not is_finalizing():
            self.abandon()


def _lock(fd: int, path: str | os.PathLike[str]) -> None:
    try:
        if fcntl is not None:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            import msvcrt

            os.lseek(fd, _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
    except (BlockingIOError, PermissionError):
        raise StreamBusy(os.fspath(path)) from None
    except OSError as error:
        raise LocksUnsupported(*error.args) from None


_files = ForkAware(LineFile.abandon)
