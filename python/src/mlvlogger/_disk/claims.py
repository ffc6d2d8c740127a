"""Claims: a lock that is a name in a folder, for file systems without hard links."""

from __future__ import annotations

import errno
import os
import time

from .folder import temporary_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .folder import Folder

__all__ = ["Claim"]

_STALE = 5.0  # seconds after which a claim that is a directory no longer counts


class Claim:
    """A context manager for a name that one process holds at a time.

    The claim of a killed process doesn't stop other processes. A claim is a locked file, and the lock ends with its
    process. On a file system without locks, a claim is a directory, which counts for `_STALE` seconds; a process holds
    a claim for milliseconds.

    Args:
        folder: The folder.
        name: The name in the folder.

    Raises:
        TimeoutError: If the claim isn't free for 10 seconds: a stopped process holds it, or the file system reports
            the identity of files unreliably. From the beginning of the `with` block.
        OSError: If the system refuses.
    """

    def __init__(self, folder: Folder, name: str) -> None:
        self._folder = folder
        self._name = name
        self._fd: int | None = None
        self._until = time.monotonic() + 2 * _STALE

    def __enter__(self) -> None:
        import fcntl

        while True:
            try:
                fd = self._folder.opener(self._name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW)
            except IsADirectoryError:  # the claim of a process that had no locks, here or on another host
                self._remove_stale()
                self._wait()
                continue
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
                self._wait()
                continue
            except OSError:
                os.close(fd)
                self._folder.remove(self._name)
                self._make_directory()
                return
            self._fd = fd
            if self._holds_name(fd):
                return
            self._fd = None
            os.close(fd)  # its holder has removed the file, and another process may have made a new one
            self._wait()

    def __exit__(self, *_: object) -> None:
        if self._fd is None:
            os.rmdir(self._folder.at(self._name), dir_fd=self._folder.fd)
            return
        fd, self._fd = self._fd, None
        try:
            if self._holds_name(fd):
                self._folder.remove(self._name)
        finally:
            os.close(fd)

    def _holds_name(self, fd: int) -> bool:
        try:
            return os.path.samestat(os.fstat(fd), self._folder.stat(self._name))
        except FileNotFoundError:
            return False

    def _make_directory(self) -> None:
        while True:
            try:
                os.mkdir(self._folder.at(self._name), dir_fd=self._folder.fd)
                return
            except FileExistsError:
                self._remove_stale()
            self._wait()

    def _remove_stale(self) -> None:
        """Remove the directory of a claim if it is older than `_STALE` seconds."""
        aside = temporary_name()
        try:
            os.mkdir(self._folder.at(aside), dir_fd=self._folder.fd)  # gives the time of the file system
            age = self._folder.stat(aside).st_mtime - self._folder.stat(self._name).st_mtime
            if age >= _STALE:
                # One step, so that only one of several processes removes the directory. Both directories are empty.
                names = self._folder.at(self._name), self._folder.at(aside)
                os.rename(*names, src_dir_fd=self._folder.fd, dst_dir_fd=self._folder.fd)
        except FileNotFoundError:
            pass  # another process has removed it
        finally:
            os.rmdir(self._folder.at(aside), dir_fd=self._folder.fd)

    def _wait(self) -> None:
        """Sleep until the next try.

        Raises:
            TimeoutError: If the time for all tries is over.
        """
        if time.monotonic() > self._until:
            path = os.path.join(self._folder.path, self._name)
            reason = (
                "Another process is publishing and makes no progress, or the file system changes the identity of files."
                " End that process, or use another file system"
            )
            raise TimeoutError(errno.ETIMEDOUT, reason, path)
        time.sleep(0.01)
