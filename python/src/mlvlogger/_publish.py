"""Publication: a file with its final name is complete (specification 1.0, `writer.publish`).

It is written under a temporary name, synced, and gets its name in one step that fails if the name exists. No step
needs a lock that a killed process could leave behind.
"""

from __future__ import annotations

import errno
import os
import sys
import time

from ._messages import warn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._disk import Folder

__all__ = ["link", "publish", "sync", "temporary_name", "tidy_up"]

# What a system says that can't sync a file at all: network and FUSE file systems.
_NO_SYNC = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
_STALE = 5.0  # seconds


def publish(folder: Folder, name: str, data: bytes) -> None:
    """Make *name* in *folder* with *data*, in one step (`writer.publish`).

    Raises:
        FileExistsError: If it exists.
        OSError: If the system refuses; then nothing is left but perhaps a temporary name.
    """
    temporary = temporary_name()
    try:
        with open(temporary, "xb", opener=folder.opener) as file:
            file.write(data)
            file.flush()
            sync(file.fileno())
        link(folder, temporary, folder, name)
    finally:
        tidy_up(folder, temporary)


def temporary_name() -> str:
    """Return a name that nothing has, for what isn't published yet."""
    return f".mlv-{os.urandom(8).hex()}"


def tidy_up(folder: Folder, temporary: str) -> None:
    """Remove a temporary name. What was published stays, with or without it, and what failed has raised."""
    try:
        folder.remove(temporary)
    except OSError as error:
        warn(
            f"{os.path.join(folder.path, temporary)} could not be removed: {error}. Nothing needs it: remove it later."
        )


def sync(fd: int) -> None:
    """Return when a file is on the disk, if its file system can do that. Raises OSError if it may not be."""
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def link(source: Folder, temporary: str, target: Folder, final: str) -> None:
    """Give *temporary* its final name. The temporary name may stay.

    Raises:
        FileExistsError: If the final name exists.
        OSError: If the system refuses.
    """
    old, new = source.at(temporary), target.at(final)
    if os.name == "nt":
        os.rename(old, new)  # refuses an existing target there
        return
    try:
        os.link(old, new, src_dir_fd=source.fd, dst_dir_fd=target.fd)
    except FileExistsError:
        raise
    except OSError as error:
        # A file system without hard links, such as exFAT and some that programs provide.
        if target.has(final):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), os.path.join(target.path, final)) from None
        if not _rename_exclusively(source, temporary, target, final):
            _rename_under_claim(source, temporary, target, final, error)
    target.sync()


def _rename_exclusively(source: Folder, temporary: str, target: Folder, final: str) -> bool:
    """Rename, unless the final name exists. Returns False if the system has no call for that.

    Raises OSError as `link`.
    """
    call = _rename_call()
    if call is None or source.fd is None or target.fd is None:
        return False
    if call(source.fd, os.fsencode(temporary), target.fd, os.fsencode(final)) == 0:
        return True
    import ctypes

    number = ctypes.get_errno()
    if number in (errno.EEXIST, errno.ENOENT, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO):
        raise OSError(number, os.strerror(number), os.path.join(target.path, final))
    return False


def _rename_call() -> Callable[[int, bytes, int, bytes], int] | None:
    try:
        import ctypes

        library: Any = ctypes.CDLL(None, use_errno=True)
        call, flag = (library.renameatx_np, 4) if sys.platform == "darwin" else (library.renameat2, 1)
    except (ImportError, OSError, AttributeError):
        return None
    return lambda *names: int(call(*names, flag))


def _rename_under_claim(source: Folder, temporary: str, target: Folder, final: str, reason: OSError) -> None:
    """Rename while we have a claim on the final name, which nobody else can have. Raises OSError as `link`."""
    with _Claim(target, f".mlv-{final}.claim"):
        if target.has(final):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), os.path.join(target.path, final)) from reason
        os.rename(source.at(temporary), target.at(final), src_dir_fd=source.fd, dst_dir_fd=target.fd)


class _Claim:
    """A name that one process has at a time; the claim of a killed process doesn't stop another one.

    It is a file with a lock, which ends with its process. On a file system without locks it is a directory, which
    counts for some seconds: a claim is held for milliseconds.

    Raises:
        TimeoutError: If somebody holds the claim for long: a process that was stopped.
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
            except IsADirectoryError:  # of a process that had no locks, here or on another host
                self._remove_stale()
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
            if self._is_ours(fd):
                return
            self._fd = None
            os.close(fd)  # its holder has removed it, and somebody may have made another one

    def __exit__(self, *_: object) -> None:
        if self._fd is None:
            os.rmdir(self._folder.at(self._name), dir_fd=self._folder.fd)
            return
        fd, self._fd = self._fd, None
        try:
            if self._is_ours(fd):
                self._folder.remove(self._name)
        finally:
            os.close(fd)

    def _is_ours(self, fd: int) -> bool:
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

    def _remove_stale(self) -> None:
        """Remove a directory that has been there for long; otherwise wait a moment."""
        aside = temporary_name()
        try:
            os.mkdir(self._folder.at(aside), dir_fd=self._folder.fd)  # tells the time of the file system
            age = self._folder.stat(aside).st_mtime - self._folder.stat(self._name).st_mtime
            if age < _STALE:
                self._wait()
            else:
                # In one step, so that of several processes one removes it. It is empty: so is the one that it replaces.
                names = self._folder.at(self._name), self._folder.at(aside)
                os.rename(*names, src_dir_fd=self._folder.fd, dst_dir_fd=self._folder.fd)
        except FileNotFoundError:
            pass  # it is gone
        finally:
            os.rmdir(self._folder.at(aside), dir_fd=self._folder.fd)

    def _wait(self) -> None:
        if time.monotonic() > self._until:
            path = os.path.join(self._folder.path, self._name)
            raise TimeoutError(errno.ETIMEDOUT, "Another process is publishing, and doesn't get on. End it", path)
        time.sleep(0.01)
