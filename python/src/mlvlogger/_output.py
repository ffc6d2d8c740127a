"""Captures the output of a program and its children: a separate process logs it as a stream, and passes it on.

Two pipes replace standard output and standard error, below Python, so that they also carry the output of C code and of
child processes. The *capture process* reads them. It needs no interpreter lock of the program, its warnings can't be
captured again, and it shows and logs what a program printed before it crashed.

Text streams that write elsewhere, such as those of a notebook, show their text themselves. A copy of this text goes
through a separate pipe to the capture process, which only logs it.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import sys
import threading

from . import _errors
from ._capture_process import forward, read_message
from ._disk.folder import Folder
from ._disk.spawn import exit_reason, spawn
from ._messages import warn
from ._printing import StreamPatches, flush_buffers, replaced_streams
from ._write.endings import ENDED, ending, ending_at_exit, outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType
    from typing import Any

__all__ = ["Capture"]

_STOP_TIMEOUT = 10.0  # seconds that `stop` waits for the last output: the terminal may be paused

_active: _Redirection | None = None


class Capture:
    """The capture of standard output and standard error into a stream, as returned by `Exp.capture`.

    Use it in a with block, or call `stop`. Otherwise the end of the experiment or of the program stops it, or the
    garbage collector, if nothing refers to it, to the experiment and to its loggers.
    """

    def __init__(self, root: Folder, experiment: str, record: tuple[int, str], stream: str, sync: bool) -> None:
        # A separate object: a thread, `sys.stdout` and `atexit` refer to it, and must not keep this one alive.
        self._redirection = _Redirection(root, experiment, record, stream, sync)

    def stop(self, status: str = "completed", error: BaseException | None = None) -> None:
        """Restore the output of the program, wait until all captured output is logged, and end the stream.

        A second call does nothing, nor does a call in a forked child, whose output is still captured.

        Args:
            status: `completed`, `failed`, `interrupted` or `ended`, recorded in the end event.
            error: An exception to record in the end event.

        Raises:
            ValueError: If `status` isn't one of its values.
        """
        self._stop({"end": ending(status, error)})

    def _stop(self, request: dict[str, Any]) -> None:
        self._redirection.stop(request)

    def __del__(self) -> None:
        redirection = getattr(self, "_redirection", None)  # there is none if __init__ raised
        if redirection is not None and not sys.is_finalizing():
            try:
                redirection.stop({"end": ENDED})  # as all streams of a dropped experiment
            except Exception as error:  # no caller can catch it
                warn(f"capture of output could not be stopped: {error}. Call stop() on what capture() returned.")

    def __enter__(self) -> Capture:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop(*outcome(error))


class _Redirection:
    """The pipes that replace the output, and the capture process that reads them.

    Args:
        root: The open directory of the experiment.
        experiment: The id of the experiment.
        record: The number and digest of the metadata record that the session runs under.
        stream: The name of the stream.
        sync: Whether each event is durable.
    """

    pid: int  # of the capture process
    _owner: int  # the pid of this process, which differs from that of a forked child

    def __init__(self, root: Folder, experiment: str, record: tuple[int, str], stream: str, sync: bool) -> None:
        global _active
        _check_support()
        if _active is not None and _active._owner == os.getpid():
            raise RuntimeError("output is captured already. Call stop() on what capture() returned, then begin again.")
        self._owner = os.getpid()
        self._request: dict[str, Any] = {}  # of the first call of `stop`
        self._has_warned = False  # about a call of `stop` that waited too long
        self._done = threading.Event()  # set when all output is logged, or shown at least
        self._lock = threading.RLock()  # protects the descriptors, which `_wait_for_process` closes
        self._has_ended = False  # whether the capture process has ended; then the descriptors are closed
        self._copies: dict[str, _CopyPipe] = {}
        flush_buffers()
        others = replaced_streams()
        self._pipes = pipes = _Pipes(others)
        pids: list[int] = []
        try:
            ends = [*pipes.process_ends, root.fd]
            words = [os.path.realpath(root.path), experiment, str(record[0]), record[1], stream, str(int(sync))]
            spawn(
                "_capture_process",
                [fd for fd in ends if fd is not None],
                lambda own: [json.dumps(own), json.dumps([*others]), *words],
                pids,
            )
            self.pid = pids[0]
            pipes.close_end(pipes.replies_write)
            if (reply := read_message(pipes.replies_read)) != {}:
                if reply is None:
                    reason = exit_reason(pids.pop(), wait=True)
                    raise OSError(f"the process that captures output for {root.path} did not begin ({reason}).")
                name, message = reply
                raise getattr(_errors, name, OSError)(message)
            self._lock.acquire()  # `_wait_for_process` must not restore the output before it is replaced
            threading.Thread(target=self._wait_for_process, name="mlv-capture", daemon=True).start()
        except BaseException:
            pipes.close()
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
                exit_reason(pid, wait=True)
            raise
        self._copies.update(pipes.release_copies())
        try:
            os.dup2(pipes.out_write, 1)
            os.dup2(pipes.err_write, 2)
            pipes.close_end(pipes.out_write)
            pipes.close_end(pipes.err_write)
            self._patches = StreamPatches(others, self._log_copy)
            _active = self
            atexit.register(self._stop_at_exit)
        finally:
            self._lock.release()

    def _log_copy(self, name: str, text: str) -> None:
        """Log text that is shown already. Wait while the pipe is full and the capture process reads it."""
        data = text.encode("utf-8", "backslashreplace")
        while data and (pipe := self._copies.get(name)) is not None:
            try:
                data = data[os.write(pipe.write, data) :]
            except BlockingIOError:
                select.select([], [pipe.write], [], 0.1)

    def _stop_at_exit(self) -> None:
        self.stop({"end": ending_at_exit()})

    def stop(self, request: dict[str, Any]) -> None:
        """Restore the output, request the capture process to stop, and wait until all output is logged.

        Each step can be repeated, because an exception of a signal handler may come before the next one.

        Args:
            request: In ``end``, the data of the end of the stream, or None to seal it as paused. The request of the
                first call counts.
        """
        if os.getpid() != self._owner:
            return
        self._request = self._request or request
        if not self._done.is_set():
            flush_buffers()
            with self._lock:
                if not self._has_ended:
                    self._restore()
                    os.write(self._pipes.control_write, json.dumps(self._request).encode("ascii") + b"\n")
            if not self._done.wait(_STOP_TIMEOUT) and not self._has_warned:
                self._has_warned = True
                warn("the last of the captured output is not logged yet: the terminal takes nothing.")
        atexit.unregister(self._stop_at_exit)

    def _restore(self) -> None:
        global _active
        os.dup2(self._pipes.saved[0], 1)
        os.dup2(self._pipes.saved[1], 2)
        self._patches.restore()
        if _active is self:
            _active = None

    def _wait_for_process(self) -> None:
        """Wait, in a separate thread, for the reply to the request to stop and for the end of the capture process."""
        pipes = self._pipes
        while os.read(pipes.replies_read, 100):
            self._done.set()
            self._copies.clear()
        self._copies.clear()
        reason = exit_reason(self.pid, wait=True)
        with self._lock:
            self._has_ended = True
            is_early = not self._done.is_set()
            if is_early:
                self._restore()
        if is_early:  # the output that is still in the pipes, and that of children, must be shown
            warn(f"the process that captured output has ended ({reason}): output is shown, and no longer logged.")
            forward({pipes.out_read: pipes.saved[0], pipes.err_read: pipes.saved[1]})
            atexit.unregister(self._stop_at_exit)
        self._done.set()
        pipes.close()


def _check_support() -> None:
    """Raise OSError if output can't be captured on this system or in this program."""
    if not hasattr(os, "posix_spawn") or not sys.executable:
        raise OSError("output cannot be captured here: this system cannot start a process for it.")
    if sys.__stdout__ is None or sys.__stderr__ is None:
        # Descriptor 1 or 2 was closed when the program began. By now it may be another file, such as a log.
        raise OSError("output cannot be captured: this program was started without standard output or error.")


class _Pipes:
    """The pipes between this process and the capture process, and copies of the descriptors that they replace.

    This process keeps the ends that the capture process reads, too: writing to a pipe without a reader may end the
    program (SIGPIPE).

    Args:
        names: The names of text streams that write elsewhere.

    Attributes:
        saved: Copies of the descriptors 1 and 2.
        control_read, control_write: The pipe for the request to stop.
        replies_read, replies_write: The pipe for the replies of the capture process.
        out_read, out_write: The pipe that replaces standard output.
        err_read, err_write: The pipe that replaces standard error.
        copies: For the name of each of these streams, both ends of the pipe for copies of its text.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._open: list[int] = []  # the descriptors that `close` closes
        try:
            self._open += (os.dup(fd) for fd in (1, 2))
            self.saved = self._open[0], self._open[1]
            self.control_read, self.control_write = self._make()
            self.replies_read, self.replies_write = self._make()
            self.out_read, self.out_write = self._make()
            self.err_read, self.err_write = self._make()
            self.copies = {name: self._make() for name in names}
            for read in (self.out_read, self.err_read):
                os.set_blocking(read, False)
            for read, write in self.copies.values():
                os.set_blocking(read, False)
                os.set_blocking(write, False)  # `_log_copy` waits itself
        except BaseException:
            self.close()
            raise

    def _make(self) -> tuple[int, int]:
        pipe = os.pipe()
        self._open += pipe
        return pipe

    @property
    def process_ends(self) -> list[int]:
        """The ends that the capture process uses, in the order in which `serve` expects them."""
        reads = (read for read, _ in self.copies.values())
        return [self.control_read, self.replies_write, self.out_read, self.err_read, *reads]

    def release_copies(self) -> dict[str, _CopyPipe]:
        """Return the pipes for copies. `close` no longer closes them: they close themselves."""
        released = {fd for pipe in self.copies.values() for fd in pipe}
        self._open = [fd for fd in self._open if fd not in released]
        return {name: _CopyPipe(*pipe) for name, pipe in self.copies.items()}

    def close_end(self, fd: int) -> None:
        """Close one end that this process doesn't need."""
        self._open.remove(fd)
        os.close(fd)

    def close(self) -> None:
        """Close all descriptors that are open."""
        for fd in self._open:
            _close(fd)


class _CopyPipe:
    """Both ends of a pipe, which are closed when the last thread that writes to it has finished."""

    def __init__(self, read: int, write: int) -> None:
        self._read = read
        self.write = write

    def __del__(self) -> None:
        _close(self._read)
        _close(self.write)


def _close(fd: int) -> None:
    try:
        os.close(fd)
    except OSError:
        pass
