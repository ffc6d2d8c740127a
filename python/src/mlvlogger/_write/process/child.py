"""The other process, as the caller sees it: its start, the bell that wakes it, and its end."""

from __future__ import annotations

import os
import signal
import sys
import time

from ..._disk.folder import identity
from ..._disk.spawn import spawn
from ..._messages import warn
from .ring import CLOSING, ERROR, ERRORS, READY, Ring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["PATIENCE", "WriterProcess", "named"]

PATIENCE = 4.0  #: seconds that the caller waits without progress

_ended_later: list[int] = []  # exited writer processes that aren't reaped yet


class WriterProcess:
    """The process that takes from a ring, once `start` has returned.

    Attributes:
        pid: Its number. There is none unless it was started.
        ended: How it has ended, as far as `has_ended` knows; empty while it runs.
    """

    pid: int

    def __init__(self, ring: Ring) -> None:
        self._ring = ring
        self.ended = ""
        self._bell: list[int] = []  # the ends of a pipe whose bytes wake the other process
        self._pipe: tuple[int, int] | None = None  # what it is
        self._pids: list[int] = []

    def start(self, ring: int, file: int, place: int) -> None:
        """Start it. After an exception, call `undo`.

        We keep the end of the bell to read from, too: writing to a pipe without a reader could be the end of the
        program (SIGPIPE).

        Args:
            ring, file: The descriptors of the ring and of the file.
            place: Where in the file the digits of the last seal begin, 0 without one.
        """
        _ended_later[:] = [pid for pid in _ended_later if not _ending(pid)]
        if not hasattr(os, "posix_spawn") or not sys.executable or getattr(sys, "frozen", False):
            raise OSError("there is no interpreter that could be started as a separate process")
        self._bell += os.pipe()
        os.set_blocking(self._bell[1], False)
        spawn(
            "_write.process.server",
            (ring, file, self._bell[0]),
            lambda own: [str(number) for number in (*own, os.getpid(), place)],
            self._pids,
            lambda own: [
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_DUP2, own[0], 2),  # see `Ring.errors`
            ],
        )
        self._pipe = identity(os.fstat(self._bell[0]))
        self.pid = self._pids[0]

    def undo(self) -> None:
        """Leave nothing of a start that did not succeed."""
        for pid in self._pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        while self._bell:
            os.close(self._bell.pop())

    def has_ended(self) -> bool:
        """Whether it has ended."""
        if not self.ended:
            self.ended = _ending(self.pid)
        return self.ended != ""

    def kill(self) -> bool:
        """End the process, which has not begun. Returns whether it is gone: then all that it left is ours."""
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

    def dismiss(self) -> bool:
        """Tell the process that nothing more comes, and wait for its end unless it is in trouble.

        Returns whether it has ended."""
        words = self._ring.words
        self._ring.settle()
        words[CLOSING] = 1
        self.ring_bell()
        begin = time.monotonic()
        while not self.has_ended():
            if words[ERROR] in ERRORS or time.monotonic() - begin > PATIENCE:
                if not words[READY] and self.kill():
                    break
                _ended_later.append(self.pid)
                return False
            time.sleep(0.0005)
        return True

    def leave(self) -> None:
        """Do as `dismiss`, without waiting: the next start of a process does that."""
        self._ring.words[CLOSING] = 1
        self.ring_bell()
        if not self._ring.words[READY] and self._ring.is_empty:
            self.kill()  # a process that never begins would keep the file
        _ended_later.append(self.pid)

    def warn_of_end(self, path: str, lost: Sequence[int]) -> None:
        """Warn that it has ended, and that this process writes the file at *path* from now on.

        Args:
            lost: The seqs of the events that could not be found in the ring.
        """
        reason = f": {text}" if (text := self._ring.errors()) else ""
        ended = f"the writer process of {path} has ended ({self.ended}{reason})."
        continues = "writes the events itself from now on."
        if lost:
            warn(
                f"{ended} {named(lost)} lost: the memory that the two processes share was changed by other "
                f"code. This process {continues} Check the program's C extensions."
            )
        else:
            warn(f"{ended} No event is lost: this process has written the rest, and {continues}")

    def ring_bell(self) -> None:
        """Wake the process."""
        if self._has_pipe(self._bell[1]):
            try:
                os.write(self._bell[1], b"!")
            except BlockingIOError:
                pass  # it rings already

    def close_bell(self) -> None:
        """Close the bell. The process stays; in a forked child, it stays the parent's."""
        while self._bell:
            fd = self._bell.pop()
            if self._has_pipe(fd):
                os.close(fd)

    def _has_pipe(self, fd: int) -> bool:
        """Whether a descriptor of the bell is ours: the program may have closed descriptors that it doesn't know."""
        try:
            return self._pipe in (None, identity(os.fstat(fd)))
        except OSError:
            return False


def _ending(pid: int) -> str:
    """How a process has ended; empty while it runs."""
    try:
        found, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return "exit code unknown"  # another caller has reaped it
    if not found:
        return ""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:  # one without a name
        return f"signal {-code}"


def named(seqs: Sequence[int]) -> str:
    """Return the subject and verb of a sentence about events."""
    if len(seqs) == 1:
        return f"1 event (seq {seqs[0]}) is"
    return f"{len(seqs)} events (seq {seqs[0]} to {seqs[-1]}) are"
