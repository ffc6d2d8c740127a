"""The lock of a stream: a file for each process that writes it, which every language can create and examine.

A writer creates its lock file and then looks for others. Of two writers that begin at the same time, the one that looks
later finds the other one's, so none of this relies on a step that is exclusive (specification 1.0, Bytes, One writer).
"""

from __future__ import annotations

import os
import sys
import time

from .._errors import StreamBusy
from .folder import TEMPORARY_PREFIX, Folder
from .lock_file import HELD, STALE, UNKNOWN, content, judge, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["LockHeld", "StreamLock", "remove_stale_locks"]

_LOCK = ".lock"  # the end of the name of a lock folder
_NOTICE = 5.0  # seconds for which a writer that may still run can notice that its lock file was removed
_SETTLED = 0.5  # seconds after which a lock file isn't that of a process that is only trying
_TRIES = 12  # to acquire a lock for which other processes are trying, too
MAX_SIZE = 65_536  # bytes of a lock file that are read


class LockHeld(StreamBusy):
    """The error for a lock file of another writer.

    Attributes:
        folder: The path of the lock folder.
        holder: The content of the lock file; empty if it can't be read.
        is_unknown: Whether this process can't determine whether the writer still runs.
    """

    def __init__(self, folder: str, holder: dict[str, Any], is_unknown: bool) -> None:
        super().__init__(folder)
        self.folder = folder
        self.holder = holder
        self.is_unknown = is_unknown


def lock_folder(name: str) -> str:
    """Return the path of the lock folder of a stream, next to the stream."""
    folder, slash, last = name.rpartition("/")
    return f"{folder}{slash}{TEMPORARY_PREFIX}{last}{_LOCK}"


class StreamLock:
    """The lock of one stream. It is held from the call until `release`, or until the object is dropped.

    Args:
        root: The open directory that *name* is relative to.
        name: The path of the stream.
        kernel: The lock of the operating system that this process has on the file: "flock", "windows" or None.
        takeover: Whether a writer that can't be examined counts as gone, after it was given notice.

    Raises:
        LockHeld: If another writer holds the lock.
        OSError: If the system refuses.
    """

    def __init__(self, root: Folder, name: str, kernel: str | None, takeover: bool = False) -> None:
        self._root = root
        self._folder = lock_folder(name)
        self._kernel = kernel
        self._pid = os.getpid()  # a forked child has a copy of this object, and not the lock
        self._own = ""  # the name of the lock file of this process; empty if there is none
        self._other = ""  # that of its writer process
        self._is_released = False
        self._acquire(takeover)

    def _acquire(self, takeover: bool) -> None:
        try:
            held: LockHeld | None = None
            attempt = 0
            while attempt < _TRIES:
                self._create(os.urandom(16).hex())
                held, age, had_notice = self._look(takeover)
                if had_notice:
                    time.sleep(_NOTICE)
                    held, age, _ = self._look(False)
                if held is None and self.is_found:
                    return
                self._remove_own()
                if held is None or held.holder:
                    if age > _SETTLED or had_notice:
                        break
                    attempt += 1
                # Of several processes that try, one is to come first. A file without an object is stale in a second.
                time.sleep(os.urandom(1)[0] / 256_000 * 2**attempt)
        except BaseException:  # also one of a signal handler: a lock file that is left would count as held
            self._remove_own()
            raise
        raise held or self._held()

    def _held(self, holder: dict[str, Any] | None = None, is_unknown: bool = False) -> LockHeld:
        return LockHeld(os.path.join(self._root.path, self._folder), holder or {}, is_unknown)

    def _create(self, nonce: str) -> None:
        """Create the lock file of this process.

        Raises:
            LockHeld: If the lock folder is a file: the lock of a writer of a draft of MLV 1.0.
            OSError: If the system refuses.
        """
        self._own = nonce  # before the file exists, so that it is removed whatever happens
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        while True:
            try:
                fd = self._root.opener(f"{self._folder}/{nonce}", flags)
                break
            except FileNotFoundError:  # another writer may have removed the empty folder
                self._make_folder()
            except NotADirectoryError:
                raise self._held(is_unknown=True) from None
        try:
            os.write(fd, content(self._pid, self._kernel))
        finally:
            os.close(fd)

    def _make_folder(self) -> None:
        *folders, last = self._folder.split("/")
        with Folder(self._root, *folders) as folder:
            try:
                os.mkdir(folder.at(last), dir_fd=folder.fd)
            except FileExistsError:
                pass

    def _look(self, takeover: bool) -> tuple[LockHeld | None, float, bool]:
        """Judge the lock files of other writers. If none of them is held, remove them.

        Returns:
            The error for the oldest one that is held, or None; its age in seconds; and whether one that was removed
            was stale with notice.
        """
        present = self._root.stat(f"{self._folder}/{self._own}").st_mtime  # by the clock of the file system
        held: LockHeld | None = None
        oldest = 0.0
        stale: dict[str, int] = {}
        for nonce in self._names():
            path = f"{self._folder}/{nonce}"
            try:
                age = present - self._root.stat(path).st_mtime
                theirs = parse(self._root.read(path, MAX_SIZE))
            except FileNotFoundError:
                continue
            verdict = judge(theirs, age, self._kernel)
            if verdict == HELD or verdict == UNKNOWN and not takeover:
                if held is None or age > oldest:
                    held, oldest = self._held(theirs, verdict == UNKNOWN), age
            else:
                stale[path] = verdict
        if held is not None:
            return held, oldest, False
        for path in stale:
            self._root.remove(path)
        return None, 0.0, any(verdict != STALE for verdict in stale.values())

    def _names(self) -> list[str]:
        """Return the names of the lock files of other writers."""
        names = list_files(self._root, self._folder)
        return [name for name in names if len(name) == 32 and name not in (self._own, self._other)]

    def check(self) -> bool:
        """Return whether this process has the lock (`writer.lock-check`). If its lock file is gone, try to get it back.

        Raises:
            OSError: If the system can't determine it.
        """
        if self._is_released or self._pid != os.getpid() or self.is_found:
            return True  # in a forked child, which doesn't write to the stream
        try:
            self._acquire(False)
        except StreamBusy:
            return False  # the next check tries again
        except FileNotFoundError:
            pass  # the directory was removed, and no other writer can open this file
        return True

    @property
    def is_found(self) -> bool:
        """Whether the lock file of this process still exists."""
        return self._own != "" and self._root.has(f"{self._folder}/{self._own}")

    def for_process(self) -> tuple[int, str, str, str]:
        """Return the arguments of `for_writer`, for a writer process, whose lock file then isn't another writer's.

        Raises:
            OSError: If the system refuses.
        """
        root = self._root.opener(os.curdir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._other = os.urandom(16).hex()
        return root, self._folder, self._other, self._kernel or ""

    @classmethod
    def for_writer(cls, root: int, folder: str, nonce: str, kernel: str) -> StreamLock:
        """Return the lock of a writer process, whose logger process has the lock already.

        Args:
            root: A descriptor of the directory that *folder* is relative to, which the lock closes at its release.
            folder: The path of the lock folder.
            nonce: The name of the lock file to create.
            kernel: As for the class; empty if there is none.

        Raises:
            OSError: If the lock file can't be created.
        """
        lock = cls.__new__(cls)
        lock._root, lock._folder = Folder.from_descriptor(root, ""), folder
        lock._kernel, lock._pid = kernel or None, os.getpid()
        lock._other, lock._is_released = "", False
        lock._create(nonce)
        return lock

    def release(self, process_has_ended: bool = True) -> None:
        """Remove the lock files. A second call does nothing. In a forked child, the parent keeps them.

        Args:
            process_has_ended: Whether the writer process has ended. Otherwise, it removes its lock file itself.
        """
        if self._pid == os.getpid() and not self._is_released:
            if self._other and process_has_ended:
                self._remove(self._other)
            self._remove_own()
        self._is_released = True

    def _remove_own(self) -> None:
        if self._own:
            self._remove(self._own)
        self._own = ""
        try:
            os.rmdir(self._root.at(self._folder), dir_fd=self._root.fd)
        except OSError:
            pass  # it isn't empty, or was removed already

    def _remove(self, nonce: str) -> None:
        try:
            self._root.remove(f"{self._folder}/{nonce}")
        except OSError:
            pass  # the directory was moved, or is read-only now: the lock ends with this process

    def __del__(self) -> None:
        if getattr(self, "_own", "") and not self._is_released and not sys.is_finalizing():
            self.release()


def remove_stale_locks(root: Folder, prefix: str) -> None:
    """Remove the lock folders of streams whose writers have ended without a close, as forked workers do.

    Args:
        root: The open directory that *prefix* is relative to.
        prefix: The beginning of the paths of these streams. Those of other streams stay.
    """
    folder, _, beginning = prefix.rpartition("/")
    try:
        names = list_files(root, folder or os.curdir)
    except OSError:
        return
    for name in names:
        if not (name.startswith(TEMPORARY_PREFIX + beginning) and name.endswith(_LOCK)):
            continue
        path = f"{folder}/{name}" if folder else name
        try:
            for nonce in list_files(root, path):
                file = f"{path}/{nonce}"
                age = time.time() - root.stat(file).st_mtime
                if judge(parse(root.read(file, MAX_SIZE)), age, None) == STALE:
                    root.remove(file)
            os.rmdir(root.at(path), dir_fd=root.fd)
        except OSError:
            pass  # some are left, which does no harm


def list_files(root: Folder, folder: str) -> list[str]:
    """Return the names in a folder."""
    if root.fd is None:
        return os.listdir(root.at(folder))
    fd = root.opener(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return os.listdir(fd)
    finally:
        os.close(fd)
