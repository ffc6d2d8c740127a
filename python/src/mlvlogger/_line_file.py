"""A file of lines that has one writer: each line is in the kernel before the call returns, whole or not at all.

It knows bytes, not events. What it promises (specification 1.0, `writer.line`, `writer.torn`, `writer.one`): the file
ends with a line feed after every call that returns, and after every call that raises as soon as the system lets it;
and no second writer has the file.
"""

from __future__ import annotations

import os
import stat
from _weakrefset import WeakSet
from sys import is_finalizing

from ._errors import StreamBusy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["LineFile", "LocksUnsupported"]

_LOCKED_BYTE = 2**62  # Windows locks bytes, not files: one far beyond any log, so that readers are not locked out


class LocksUnsupported(OSError):
    """The file system has no locks, so that nobody can tell whether there is a second writer."""


class LineFile:
    """Appends lines to a file that it has locked.

    Args:
        path: The file.
        new: Make it, and fail where it exists; otherwise it has to exist.
        opened: Opens it with these flags; by default that is done by its path.

    Raises:
        FileExistsError, FileNotFoundError: by *new*.
        StreamBusy: another writer has the file.
        LocksUnsupported: the file system has no locks, and the file is not new.
        OSError: it cannot be opened, or is no regular file.
    """

    def __init__(self, path: str | os.PathLike[str], *, new: bool, opened: Callable[[int], int] | None = None) -> None:
        flags = (
            os.O_RDWR
            | os.O_APPEND
            | getattr(os, "O_CLOEXEC", 0)
            | getattr(os, "O_NOFOLLOW", 0)
            | getattr(os, "O_BINARY", 0)
        )
        # O_NONBLOCK: a pipe under this name must not make us wait for its other end. It has no effect on regular files.
        flags |= getattr(os, "O_NONBLOCK", 0) | (os.O_CREAT | os.O_EXCL if new else 0)
        fd = os.open(path, flags, 0o666) if opened is None else opened(flags)
        self._take(fd, path)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise OSError(f"{path} is no regular file")
            _lock(fd, path)
            self.look_again()
        except LocksUnsupported:
            if not new:  # nobody else can have a file that we have just made
                self.abandon()
                raise
        except BaseException:
            self.abandon()
            raise

    @classmethod
    def of_descriptor(cls, fd: int, path: str | os.PathLike[str]) -> LineFile:
        """The file behind a descriptor, which is locked already and closed by `close`."""
        file = cls.__new__(cls)
        file._take(fd, path)
        file.look_again()
        return file

    def _take(self, fd: int, path: str | os.PathLike[str]) -> None:
        self._fd = fd
        self.path = path
        self._closed = False
        _follow_forks(self)  # before the file is locked: another thread may fork at any moment
        self._sync_error: OSError | None = None
        #: `size` and `lines`. One tuple, so that a signal handler's exception cannot come between the two.
        self.position = (0, 0)
        #: False after an error or such an exception: what the file has behind `size` is what `settle` finds out.
        self.is_settled = True

    @property
    def fd(self) -> int:
        """The descriptor, which carries the lock: whoever has it open has the file."""
        return self._fd

    @property
    def size(self) -> int:
        """Bytes of the file that are whole lines; what lies behind was never acknowledged."""
        return self.position[0]

    @property
    def lines(self) -> int:
        """How many lines this writer has written."""
        return self.position[1]

    def write(self, line: bytes, count: int = 1) -> None:
        """Append *line*, which ends with a line feed, whole or not at all; or *count* of them in one piece.

        Raises OSError: then a line of which not all is in the file does not count as written, and is cut off before
        the next.
        """
        if not self.is_settled:
            self.settle()
        self.is_settled = False
        length = len(line)
        written = os.write(self._fd, line)
        while written < length:  # a short write: the disk is nearly full, or a limit is near
            written += os.write(self._fd, line[written:])
        size, lines = self.position
        self.position = (size + length, lines + count)
        self.is_settled = True

    def settle(self) -> None:
        """Put the file in order after a write that failed or was interrupted by an exception of a signal handler.

        A line that is whole stays and counts as written: a reader may have seen it. What has no line feed is cut off.
        """
        if self.is_settled:
            return
        size, lines = self.position
        behind = self.read(os.fstat(self._fd).st_size - size, size)
        whole = behind.rfind(b"\n") + 1
        if whole < len(behind):
            os.ftruncate(self._fd, size + whole)
        self.position = (size + whole, lines + behind.count(b"\n"))
        self.is_settled = True

    def look_again(self) -> None:
        """Take the size from the file: another process of ours, that has its descriptor too, has added whole lines."""
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

    def truncate(self, size: int) -> None:
        """Keep the first *size* bytes: for what an earlier crash left behind the last line feed, and nothing else."""
        os.ftruncate(self._fd, size)
        self.position = (size, self.lines)

    def close(self) -> None:
        """Close the file and let go of the lock. A second call does nothing."""
        if self._closed:
            return
        try:
            self.settle()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close the file and touch nothing: in a forked child, where the parent keeps its lock."""
        if not self._closed:
            self._closed = True
            fd, self._fd = self._fd, -1  # the number may soon be another file's
            os.close(fd)

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


_files: WeakSet[LineFile] = WeakSet()
_follows = False


def _follow_forks(file: LineFile) -> None:
    global _follows
    if not _follows:
        _follows = True
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_after_fork)
    _files.add(file)


def _after_fork() -> None:
    for file in list(_files):
        file.abandon()
