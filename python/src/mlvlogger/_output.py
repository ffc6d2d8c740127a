"""Capture: the output of a program and its children, as a stream; another process logs it and passes it on.

Two pipes replace standard output and standard error, below Python: the output of C code and child processes
goes through them, too. A separate process reads them. So nothing waits for the interpreter lock, a warning of the
logger cannot meet itself, and the output before a crash is shown and logged.

Text streams that write elsewhere, such as a notebook's, show what they are given themselves; a copy of it goes through
a separate pipe, which is logged only.
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
from ._disk.folder import Folder
from ._disk.spawn import detach, exit_reason, spawn
from ._format.names import stream_path
from ._messages import warn
from ._open_streams import OpenStreams
from ._printing import Printing, elsewhere, flush
from ._secrets import redact_lines
from ._write.endings import ending, outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType
    from typing import Any, NoReturn

__all__ = ["Capture", "serve"]

_PIPE_SIZE = 65536  # bytes read at once: what a pipe holds
_MAX_LINE = 65536  # bytes of one event; a longer line is several
_LAST_ROUNDS = 32  # chunks read after the order to stop: more than a pipe holds, and an end if children continue
_PATIENCE = 10.0  # seconds that `stop` waits for what is still on its way: a terminal may have been halted

_active: _Diversion | None = None


class Capture:
    """Standard output and standard error of this process on their way into a stream: what `Exp.capture` returns.

    Use it in a with block, or call `stop`; otherwise the end of the experiment, or of the program, stops it. So does
    dropping it together with the experiment and all its loggers.
    """

    def __init__(self, root: Folder, experiment: str, record: tuple[int, str], stream: str, sync: bool) -> None:
        # What refers to it lives until the output is given back: the thread, `sys.stdout` and the end of the program.
        self._diversion = _Diversion(root, experiment, record, stream, sync)

    def stop(self, status: str = "completed", error: BaseException | None = None) -> None:
        """Give the program its output back, and return when all of it is logged; the stream gets an end.

        A second call does nothing, nor does one in a forked child, whose output is still passed on.
        Arguments and errors as for `Logger.close`.
        """
        self._stop({"end": ending(status, error)})

    def _stop(self, order: dict[str, Any]) -> None:
        self._diversion.stop(order)

    def __del__(self) -> None:
        diversion = getattr(self, "_diversion", None)  # there is none if __init__ raised
        if diversion is not None and not sys.is_finalizing():
            try:
                diversion.stop({})  # the stream is flushed, and has no end, as all streams of a dropped experiment
            except Exception as error:  # no caller can catch it
                warn(f"capture of output could not be stopped: {error}. Call stop() on what capture() returned.")

    def __enter__(self) -> Capture:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop(*outcome(error))


class _Diversion:
    """The pipes that replace the output, and the process that reads them. Arguments as for `Capture`."""

    child: int  # the other process
    _owner: int  # this process; a forked child is another

    def __init__(self, root: Folder, experiment: str, record: tuple[int, str], stream: str, sync: bool) -> None:
        global _active
        if not hasattr(os, "posix_spawn") or not sys.executable:
            raise OSError("output cannot be captured here: this system cannot start a process for it.")
        if sys.__stdout__ is None or sys.__stderr__ is None:
            # Descriptor 1 or 2 was closed when the program began, and may be any file by now: a log, perhaps.
            raise OSError("output cannot be captured: this program was started without standard output or error.")
        if _active is not None and _active._owner == os.getpid():
            raise RuntimeError("output is captured already. Call stop() on what capture() returned, then begin again.")
        self._owner = os.getpid()
        self._order: dict[str, Any] = {}  # of the first call of `stop`
        self._is_late = False  # has a call of `stop` waited in vain?
        self._done = threading.Event()  # all is logged, or shown at least
        self._lock = threading.RLock()  # for descriptors that `_attend` closes
        self._has_ended = False  # the other process; then they are closed
        flush()
        others = elsewhere()
        fds: list[int] = []
        pids: list[int] = []
        try:
            fds += (os.dup(fd) for fd in (1, 2))
            # Our orders, its answers, standard output, standard error, and text that is shown by itself.
            for _ in range(4 + len(others)):
                fds += os.pipe()
            self._saved = fds[:2]
            pipes = list(zip(fds[2::2], fds[3::2], strict=True))
            (orders, self._orders), (self._answers, answer_to), (out, into_out), (err, into_err), *copies = pipes
            for read, _ in pipes[2:]:
                os.set_blocking(read, False)
            for _, write in copies:
                os.set_blocking(write, False)  # `_send` waits itself
            ends = [orders, answer_to, *(read for read, _ in pipes[2:]), root.fd]
            words = [os.path.realpath(root.path), experiment, str(record[0]), record[1], stream, str(int(sync))]
            spawn(
                "_output",
                [fd for fd in ends if fd is not None],
                lambda own: [json.dumps(own), json.dumps([*others]), *words],
                pids,
            )
            self.child = pids[0]
            fds.remove(answer_to)
            os.close(answer_to)
            if (answer := _line(self._answers)) != {}:
                if answer is None:
                    reason = exit_reason(pids.pop(), wait=True)
                    raise OSError(f"the process that captures output for {root.path} did not begin ({reason}).")
                name, message = answer
                raise getattr(_errors, name, OSError)(message)
            self._sources = [out, err]
            self._kept = [out, err, orders]  # a pipe without a reader could end the program (SIGPIPE)
            self._copies: dict[str, _Pipe] = {}
            self._lock.acquire()  # `_attend` gives back what is in place
            threading.Thread(target=self._attend, name="mlv-capture", daemon=True).start()
        except BaseException:
            for fd in fds:
                _close(fd)
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
                exit_reason(pid, wait=True)
            raise
        self._copies.update({name: _Pipe(*pipe) for name, pipe in zip(others, copies, strict=True)})
        try:
            os.dup2(into_out, 1)
            os.dup2(into_err, 2)
            os.close(into_out)
            os.close(into_err)
            self._printing = Printing(others, self._send)
            _active = self
            atexit.register(self._leave)
        finally:
            self._lock.release()

    def _send(self, name: str, text: str) -> None:
        """Log *text*, which was shown already. Waits while the pipe is full and has a reader."""
        data = text.encode("utf-8", "backslashreplace")
        while data and (pipe := self._copies.get(name)) is not None:
            try:
                data = data[os.write(pipe.write, data) :]
            except BlockingIOError:
                select.select([], [pipe.write], [], 0.1)

    def _leave(self) -> None:
        self.stop({})  # as the program leaves the other streams: flushed, without an end

    def stop(self, order: dict[str, Any]) -> None:
        """Give the output back and tell the other process to end; wait until all is logged.

        Each step can be done again: an exception of a signal handler may come before the next.

        Args:
            order: With ``end``, the data of the end of the stream, or None to seal it as paused. The order of the first
                call counts.
        """
        if os.getpid() != self._owner:
            return
        self._order = self._order or order
        if not self._done.is_set():
            flush()
            with self._lock:
                if not self._has_ended:
                    self._restore()
                    os.write(self._orders, json.dumps(self._order).encode("ascii") + b"\n")
            if not self._done.wait(_PATIENCE) and not self._is_late:
                self._is_late = True
                warn("the last of the captured output is not logged yet: the terminal takes nothing.")
        atexit.unregister(self._leave)

    def _restore(self) -> None:
        global _active
        os.dup2(self._saved[0], 1)
        os.dup2(self._saved[1], 2)
        self._printing.restore()
        if _active is self:
            _active = None

    def _attend(self) -> None:
        """Wait, in a separate thread, for the answer to the order to stop and for the end of the other process."""
        while os.read(self._answers, 100):
            self._done.set()
            self._copies.clear()
        self._copies.clear()
        reason = exit_reason(self.child, wait=True)
        with self._lock:
            self._has_ended = True
            is_early = not self._done.is_set()
            if is_early:
                self._restore()
        if is_early:  # what was on its way, and the output of children, must still be shown
            warn(f"the process that captured output has ended ({reason}): output is shown, and no longer logged.")
            _pass_on(dict(zip(self._sources, self._saved, strict=True)))
            atexit.unregister(self._leave)
        self._done.set()
        for fd in (self._orders, self._answers, *self._saved, *self._kept):
            _close(fd)


class _Pipe:
    """Both ends of a pipe, open until the last thread that writes has come back from it."""

    def __init__(self, read: int, write: int) -> None:
        self._read = read  # a pipe without a reader could be the end of the program
        self.write = write

    def __del__(self) -> None:
        _close(self._read)
        _close(self.write)


def _close(fd: int) -> None:
    try:
        os.close(fd)
    except OSError:
        pass


def _line(fd: int) -> Any:
    """The next line of a pipe, which is JSON; None at its end. What has come after it is left out."""
    text = b""
    while b"\n" not in text:
        if not (more := os.read(fd, _PIPE_SIZE)):
            return None
        text += more
    return json.loads(text.partition(b"\n")[0])


def serve(
    descriptors: str, names: str, directory: str, experiment: str, number: str, digest: str, *more: str
) -> NoReturn:
    """Main loop of the other process: pass on and log output until no process is left that could print."""
    orders, answers, out, err, *copies, root = fds = json.loads(descriptors)
    detach(fds)
    stream, sync = more
    try:
        logs = OpenStreams(Folder.from_descriptor(root, directory), experiment, "warn", sync == "1", False)
        log = logs.open(stream_path(stream), lambda: (int(number), digest))
    except (OSError, _errors.MLVError) as error:
        os.write(answers, json.dumps([type(error).__name__, str(error)]).encode("ascii") + b"\n")
        os._exit(1)
    os.write(answers, b"{}\n")

    events = {out: "stdout", err: "stderr", **dict(zip(copies, json.loads(names), strict=True))}
    lines = {fd: Lines() for fd in events}

    def keep(fd: int, found: Iterator[tuple[bytes, bool]]) -> None:
        for line, continued in found:
            text = redact_lines(line.decode("utf-8", "backslashreplace"))[0]
            log.event(events[fd], {"text": text, **({"continued": True} if continued else {})})

    def take(fd: int, data: bytes) -> None:
        keep(fd, lines[fd].take(data))

    order = _pass_on({out: 1, err: 2, **dict.fromkeys(copies)}, take, orders)
    for fd in lines:
        keep(fd, lines[fd].end())
    log.flush()
    if order is not None:
        if "end" in order:
            log._stream.close(order["end"])
        else:
            log._stream._writer.close()  # for the next session; we may live as long as children do
        os.write(answers, b"!")
        _pass_on({out: 1, err: 2})  # the output of children that continue
    os._exit(0)


def _pass_on(targets: Mapping[int, int | None], take: Any = None, orders: int | None = None) -> Any:
    """Copy each source to its target until all have ended, or until an order comes and nothing is left to copy.

    Args:
        targets: The source (a pipe that does not block) → the target, None where it is shown already.
        take: Called with each source and what came from it, after that was shown.
        orders: The pipe of orders; with it, the end of all sources is not yet ours.

    Returns the order, None without one.
    """
    poll = select.poll()
    waiting = {*targets, *([] if orders is None else [orders])}
    for fd in waiting:
        poll.register(fd, select.POLLIN)
    order, rounds = None, 0
    while waiting:
        ready = {fd for fd, _ in poll.poll(None if order is None else 0)}
        if order is not None:
            rounds += 1
            if not ready or rounds > _LAST_ROUNDS:
                return order
        for fd in [fd for fd in targets if fd in ready]:
            try:
                data = os.read(fd, _PIPE_SIZE)
            except BlockingIOError:
                continue
            if data:
                if (target := targets[fd]) is not None:
                    _show(target, data)
                if take is not None:
                    take(fd, data)
            else:
                poll.unregister(fd)
                waiting.remove(fd)
        if orders is not None and orders in ready:
            order = _line(orders)
            poll.unregister(orders)
            waiting.remove(orders)
    return order


def _show(fd: int, data: bytes) -> None:
    while data:
        try:
            data = data[os.write(fd, data) :]
        except BlockingIOError:
            select.select([], [fd], [])
        except OSError:
            return  # there is no reader any more


class Lines:
    """Cuts output into lines, each in its final state: of a progress bar, the last one."""

    def __init__(self) -> None:
        self._rest = b""  # bounded, by the longest line

    def take(self, data: bytes) -> Iterator[tuple[bytes, bool]]:
        """The lines that *data* completes, and for each whether it continues in the next, as it is too long for one."""
        # Cursor-up plus newline rewrites the same line: so an inner progress bar draws itself below an outer one.
        *whole, rest = (self._rest + data).replace(b"\x1b[A\n", b"\r").split(b"\n")
        for line in whole:
            yield from self._line(line)
        if b"\r" in rest:
            # The end of a line may be coming, as \r\n; so the last \r stays.
            rest = _last_state(rest) + (b"\r" if rest.endswith(b"\r") else b"")
        while len(rest) > _MAX_LINE:
            yield _cut(rest), True
            rest = rest[len(_cut(rest)) :]
        self._rest = rest

    def end(self) -> Iterator[tuple[bytes, bool]]:
        """The last line, where it has no end."""
        if self._rest:
            yield from self._line(self._rest)
        self._rest = b""

    def _line(self, line: bytes) -> Iterator[tuple[bytes, bool]]:
        if b"\r" in line:
            line = _last_state(line)
            if line and not line.strip():
                return  # a bar that has removed itself
        while len(line) > _MAX_LINE:
            yield _cut(line), True
            line = line[len(_cut(line)) :]
        yield line, False


def _last_state(line: bytes) -> bytes:
    return line.rstrip(b"\r").rsplit(b"\r", 1)[-1]


def _cut(line: bytes) -> bytes:
    """The beginning of a long line, which ends with a whole character."""
    end = _MAX_LINE
    while end > _MAX_LINE - 4 and line[end] & 0xC0 == 0x80:
        end -= 1
    return line[:end]
