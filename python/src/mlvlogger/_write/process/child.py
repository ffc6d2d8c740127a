"""The writer process, as the logger process sees it: how it is started, woken and stopped."""

from __future__ import annotations

import os
import signal
import sys
import time

from ..._disk.folder import identity
from ..._disk.spawn import exit_reason, spawn
from ..._messages import warn
from .ring import CLOSING, ERROR, ERRORS, READY, Ring
from .unwritten import describe_events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..._disk.stream_lock import StreamLock

__all__ = ["PROGRESS_TIMEOUT", "WriterProcess"]

#: Seconds that the logger process waits while the writer process makes no progress.
PROGRESS_TIMEOUT = 4.0

_unreaped: list[int] = []  # pids of stopped writer processes, which the next start reaps (`waitpid`)


class WriterProcess:
    """The process that writes the records of a ring into the log file. Call `start` first.

    Args:
        ring: The ring.

    Attributes:
        pid: The process id, once the process is started.
        ended: How the process ended, at the last call of `has_ended`; empty while it runs.
    """

    pid: int

    def __init__(self, ring: Ring) -> None:
        self._ring = ring
        self.ended = ""
        self._wake_pipe: list[int] = []  # both ends of a pipe; a byte in it wakes the writer process
        self._wake_pipe_identity: tuple[int, int] | None = None
        self._pids: list[int] = []

    def start(self, ring: int, file: int, hash_start: int, lock: StreamLock) -> None:
        """Start the process. After an exception, call `undo_start`.

        Args:
            ring: The descriptor of the ring.
            file: The descriptor of the log file.
            hash_start: The offset at which the hash of the next seal begins (`UnsealedHash.start`).
            lock: The lock of the stream.

        Raises:
            OSError: If the process can't be started.
        """
        _unreaped[:] = [pid for pid in _unreaped if not exit_reason(pid)]
        if not hasattr(os, "posix_spawn") or not sys.executable or getattr(sys, "frozen", False):
            raise OSError("there is no interpreter that could be started as a separate process")
        # The logger process keeps the reading end, too: writing to a pipe without a reader may end it (SIGPIPE).
        self._wake_pipe += os.pipe()
        os.set_blocking(self._wake_pipe[1], False)
        root, *lock_file = lock.for_process()
        try:
            spawn(
                "_write.process.server",
                (ring, file, self._wake_pipe[0], root),
                lambda own: [*(str(number) for number in (*own, os.getpid(), hash_start)), *lock_file],
                self._pids,
                lambda own: [
                    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                    (os.POSIX_SPAWN_DUP2, own[0], 2),  # for `Ring.last_error_line`
                ],
            )
        finally:
            os.close(root)
        self._wake_pipe_identity = identity(os.fstat(self._wake_pipe[0]))
        self.pid = self._pids[0]

    def undo_start(self) -> None:
        """Remove all that a failed `start` left."""
        for pid in self._pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        while self._wake_pipe:
            os.close(self._wake_pipe.pop())

    def has_ended(self) -> bool:
        """Return whether the process has ended."""
        if not self.ended:
            self.ended = exit_reason(self.pid)
        return self.ended != ""

    def kill(self) -> bool:
        """Kill a process that did not begin in time, and return whether it has ended.

        If it has, the logger process may write to the file.
        """
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        until = time.monotonic() + 1
        while not self.has_ended():
            if time.monotonic() > until:
                return False
            time.sleep(0.0005)
        self.ended = "it did not begin in time, and was killed"
        return True

    def stop(self) -> bool:
        """Let the process write the remaining records and end. Return whether it has ended.

        It still runs on return if it can't write, or makes no progress.
        """
        words = self._ring.words
        self._ring.settle()
        words[CLOSING] = 1
        self.wake()
        begin = time.monotonic()
        while not self.has_ended():
            if words[ERROR] in ERRORS or time.monotonic() - begin > PROGRESS_TIMEOUT:
                if not words[READY] and self.kill():
                    break
                _unreaped.append(self.pid)
                return False
            time.sleep(0.0005)
        return True

    def stop_without_waiting(self) -> None:
        """Let the process write the remaining records and end, without waiting for it."""
        self._ring.words[CLOSING] = 1
        self.wake()
        if not self._ring.words[READY] and self._ring.is_empty:
            self.kill()  # a process that never begins would keep the file locked
        _unreaped.append(self.pid)

    def warn_of_end(self, path: str, lost: Sequence[int]) -> None:
        """Warn that the process has ended, and that the logger process writes the file from now on.

        Args:
            path: The path of the file.
            lost: The seqs of the events that could not be found in the ring.
        """
        reason = f": {text}" if (text := self._ring.last_error_line()) else ""
        ended = f"the writer process of {path} has ended ({self.ended}{reason})."
        continues = "writes the events itself from now on."
        if lost:
            warn(
                f"{ended} {describe_events(lost)} lost: the memory that the two processes share was changed by other "
                f"code. This process {continues} Check the program's C extensions."
            )
        else:
            warn(f"{ended} No event is lost: this process has written the rest, and {continues}")

    def wake(self) -> None:
        """Wake the process."""
        if self._is_wake_pipe(self._wake_pipe[1]):
            try:
                os.write(self._wake_pipe[1], b"!")
            except BlockingIOError:
                pass  # the pipe is full of bytes that wake it

    def close_wake_pipe(self) -> None:
        """Close both ends of the pipe. The process continues: after a fork, it belongs to the parent."""
        while self._wake_pipe:
            fd = self._wake_pipe.pop()
            if self._is_wake_pipe(fd):
                os.close(fd)

    def _is_wake_pipe(self, fd: int) -> bool:
        """Return whether a descriptor is still the pipe's: a program may close descriptors that it doesn't know."""
        try:
            return self._wake_pipe_identity in (None, identity(os.fstat(fd)))
        except OSError:
            return False
