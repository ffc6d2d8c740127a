"""A stream: numbered events in one file, from `mlv/start` to a seal (specification 1.0, chapters Events and Lifecycle).

It is used by threads, signal handlers and forked children; `Appender` writes. It knows JSON texts of events and plain
data; Python's other values are up to the logger.
"""

from __future__ import annotations

import sys
import time

from .._disk.folder import Folder
from .._disk.line_file import FileChanged
from .._errors import LogClosed, WriteFailed
from .._format.json import dumps
from .._format.line import Pending
from .._format.references import EventRef
from .._messages import warn
from .appender import Appender
from .backlog import Backlog, HeldEvents
from .closing import Closing
from .destination import Destination
from .elsewhere import Elsewhere
from .exceptions import preload
from .gate import LAST_TIMEOUT, Gate
from .registry import register
from .reports import Reports
from .session import SessionStart, open_session
from .unsealed_hash import new_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .._format.line import Numbers
    from .appender import GetSpanMembers
    from .writer import Writer

__all__ = ["Stream"]

_MAX_REASON = 10_000  # characters


class Stream:
    """One stream, open for writing by one writer in one session.

    Args:
        root: The experiment's directory, or that of a bare log.
        name: The path of the file in it: ``log/gpu.jsonl``.
        new: Whether the file is made, and must not exist; otherwise it must exist, and a session is added.
        experiment: The id, None for a bare log.
        record: A function that gives number and digest of the meta record that the session runs under, None for a bare
            log. It is called once, when the stream is ours and before anything is written to it.
        on_error: "warn": an event that can't be written is kept in memory until it can, and a warning is given once per
            cause; "raise": it raises, and isn't kept.
        sync: Whether each event is on the disk before its call returns; with the process writer, when it is flushed.
        process: Whether another process writes. If none can be started, a warning reports that, and this one writes.

    Raises:
        FileExistsError, FileNotFoundError: If the file exists or doesn't, other than *new* says.
        StreamBusy: If another writer has the stream; the message names its host and process.
        InvalidRecord: If the file isn't a stream.
        UnsupportedVersion: If the stream has a version in which it can't be continued (`writer.version`).
        OSError: If the file can't be opened or written.
    """

    def __init__(
        self,
        root: Folder,
        name: str,
        *,
        new: bool,
        experiment: str | None = None,
        record: Callable[[], tuple[int, str]] | None = None,
        on_error: str = "warn",
        sync: bool = False,
        process: bool = False,
    ) -> None:
        self._sync = sync
        self._start = SessionStart(experiment)
        self._gate = Gate()
        self._reports = Reports(on_error == "raise")
        self._destination = Destination(root, name, process)
        self._elsewhere = Elsewhere(self._destination, self._start, self._reports)
        self._appender = Appender(self._destination, self._elsewhere, self._gate, self._reports, sync)
        #: In a forked child that has no stream yet, the last event of its parent.
        self._inherited: EventRef | None = None
        self._held = HeldEvents()
        self._closing = Closing(self._destination, self._appender, self._gate, self._reports, sync)
        self.paused: bool = False
        self._open(new, record, None)
        self._closing.is_closed = False
        register(self)

    @property
    def name(self) -> str:
        """The path of the file below the root."""
        return self._destination.name

    @property
    def path(self) -> str:
        """The path of the file now."""
        return self._destination.path

    @property
    def _writer(self) -> Writer:
        return self._destination.writer

    @property
    def file_identity(self) -> tuple[int, int]:
        """Device and inode of the file."""
        return self._writer.file.identity

    @property
    def seq(self) -> int:
        """The last seq that the writer has taken."""
        return self._writer.seq

    @property
    def session(self) -> object:
        """An object that changes with everything that ends open spans: a session, a rewind."""
        return self._destination.session

    @property
    def replaced(self) -> dict[str, bool]:
        """Streams that this one took the place of (`writer.kept-stream`), and whether it has all their lines, too."""
        return self._elsewhere.replaced

    @property
    def closed(self) -> bool:
        """Whether the stream is closed."""
        return self._closing.is_closed

    @property
    def is_inherited(self) -> bool:
        """Whether this is a forked child that has not logged yet, so that the stream is still its parent's."""
        return self._inherited is not None

    def _open(self, new: bool, record: Callable[[], tuple[int, str]] | None, fork_of: EventRef | None) -> None:
        self._appender.backlog = Backlog()
        self.paused = False
        open_session(self._destination, self._start, new=new, record=record, fork_of=fork_of, sync=self._sync)
        self._inherited = None
        self._gate.is_fast = True

    def append(
        self, name: bytes, data: bytes, values: Numbers | None = None, get_span_members: GetSpanMembers | None = None
    ) -> tuple[int | None, bool]:
        """Write one event.

        Args:
            name, data, values: As for `Pending`.
            get_span_members: Returns the span members, or None to write nothing. It is called while no other thread
                or signal handler writes to the stream.

        Returns:
            The seq of the event, None if it has none yet; and whether the event is kept at the level of *sync*. Events
            that wait in memory aren't. Events without a seq could not be kept in memory either, or come from a signal
            handler that interrupted another event, and are written right after that event.

        Raises:
            LogClosed: If the stream was closed.
            WriteFailed: If the event can't be written, with ``on_error="raise"``.
        """
        gate = self._gate
        with gate.lock:
            if gate.is_busy or gate.deferred or not gate.is_fast:
                return self._append_slow(Pending(name, data, values), get_span_members)
            gate.is_busy = True
            span_members, writer = b"", self._destination.writer
            try:
                if get_span_members is not None:
                    if (given := get_span_members()) is None:
                        return None, False
                    span_members = given
                seq = writer.put(time.time_ns(), name, data, values, span_members)
                if writer.is_seal_due or self._sync:
                    return seq, self._appender.follow_up()
                return seq, True
            except (OSError, TypeError, ValueError) as error:  # of memory that is closed, too
                if self._inherited is not None or self._destination.writer is not writer:
                    # A signal handler has forked meanwhile, and this is the child.
                    return self._append_slow(Pending(name, data, values), get_span_members)
                event = Pending(name, data, values, span_members)
                if isinstance(error, FileChanged):
                    return self._appender.write(event, get_span_members)
                if not isinstance(error, OSError):
                    raise
                return self._appender.keep(event, error), False
            finally:
                gate.is_busy = False
                if gate.deferred:
                    gate.run_deferred()

    def _append_slow(self, event: Pending, get_span_members: GetSpanMembers | None) -> tuple[int | None, bool]:
        gate = self._gate
        if gate.is_busy:
            if self.closed:
                raise _closed_error(event, self.path)
            gate.deferred.append(lambda: self._append_locked(event, get_span_members))
            return None, False
        gate.run_deferred()
        gate.is_busy = True
        try:
            return self._append_locked(event, get_span_members)
        finally:
            # Here, and not in a function: an exception of a signal handler may come at its entry.
            gate.is_busy = False
            if gate.deferred:
                gate.run_deferred()

    def _append_locked(self, event: Pending, get_span_members: GetSpanMembers | None) -> tuple[int | None, bool]:
        """As `append`, for a caller who has made the stream busy."""
        if self._closing.is_closed or self._closing.is_recorded:
            raise _closed_error(event, self.path)
        self._closing.cancel()
        span_members = b"" if get_span_members is None else get_span_members()
        if span_members is None:
            return None, False
        event = event.with_span_members(span_members)
        if self._inherited is not None and not self._open_child(event):
            return None, False
        return self._appender.write(event, get_span_members)

    def flush(self) -> None:
        """Write what waits; return when everything is in the kernel, and with *sync*, on the disk.

        Raises WriteFailed, with ``on_error="raise"``, when that fails; otherwise warns.
        """
        gate = self._gate
        with gate.lock:
            if self.closed or self._inherited is not None or gate.is_busy:
                return
            if gate.deferred:
                gate.run_deferred()
            try:
                gate.is_busy = True
                if self._appender.write_waiting() and self._sync:
                    self._appender.sync()
                self._reports.report_changes()
            finally:
                gate.is_busy = False
                if gate.deferred:
                    gate.run_deferred()

    def rewind(self, to: int, reason: str | None = None) -> int | None:
        """Supersede the user's events after the seq *to*; open spans stay unfinished (`rewind.to`)."""
        gate, end_spans = self._gate, self._destination.end_spans
        with gate.lock:
            if gate.is_busy:
                gate.deferred.append(lambda: self._append_locked(self._rewind_event(to, reason), end_spans))
                return None
            self.flush()  # where the file is another one now, the number is none of it
            event = self._rewind_event(to, reason)
            seq, kept = self.append(event.name, event.data, None, end_spans)
            return seq if kept else None

    def _rewind_event(self, to: int, reason: str | None) -> Pending:
        if not 0 <= to <= self.seq:
            raise ValueError(
                f"cannot rewind {self.path} to {to!r}: its last seq is {self.seq}. "
                "Give a seq that mark() returned for it."
            )
        return _lifecycle_event(b"mlv/rewind", {"to": to}, reason)

    def pause(self, paused: bool, reason: str | None) -> int | None:
        """Write `mlv/pause` or `mlv/resume`; nothing for a forked child that has not logged: its parent continues."""
        with self._gate.lock:
            if self._inherited is not None and not self.closed:
                return None
            event = _lifecycle_event(b"mlv/pause" if paused else b"mlv/resume", {}, reason)
            seq, kept = self.append(event.name, event.data)
            self.paused = paused
            return seq if kept else None

    def close(self, data: dict[str, Any] | None) -> None:
        """Seal the stream, with an `mlv/end` of *data* or, where that is None, as paused; and release it.

        A second call does nothing. In a forked child that has not logged, nothing is written.
        Raises WriteFailed, with ``on_error="raise"``, when not everything could be written; it is closed all the same.
        """
        gate = self._gate
        with gate.lock:
            if self.closed:
                self._writer.close()  # what an exception of a signal handler may have prevented before
                return
            if gate.is_busy:
                gate.deferred.append(lambda: self._close(data))
                return
            if gate.deferred:
                gate.run_deferred()
            try:
                gate.is_busy = True
                self._close(data)
            finally:
                gate.is_busy = False
                if gate.deferred:
                    gate.run_deferred()

    def _close(self, data: dict[str, Any] | None) -> None:
        if self._inherited is not None:
            self._closing.is_closed = True
        else:
            self._closing.close(data)

    def forked(self) -> None:
        """In a forked child: leave the parent's file alone; the first event opens a stream of the child's own."""
        self._gate.reset()  # another thread of the parent may have held the lock, in the middle of an event
        if self.closed:
            return
        self._elsewhere.reset()
        self._reports.reset()
        if self._inherited is None:
            self._inherited = EventRef(self._start.experiment, self.name, max(self.seq, 1))
            self._writer.abandon()
        self._destination.end_spans()

    def _open_child(self, event: Pending) -> bool:
        """Open the stream of a forked child. If that fails, hold the event until it works."""
        inherited, path, name = self._inherited, self.path, self.name
        try:
            for free in self._elsewhere.free_names("fork"):
                self._destination.name = free
                try:
                    self._open(True, None, inherited)
                    break
                except FileExistsError:
                    continue  # another child was faster
        except OSError as error:
            self._destination.name = name
            if self._reports.raises:
                raise WriteFailed(f"the forked process cannot open a stream next to {path}: {error}") from error
            self._held.hold(event)
            self._reports.warn_once(
                "fork", f"a forked process cannot open a stream next to {path}: {error}. Events are held."
            )
            return False
        for waiting in self._held.take():
            self._appender.write(waiting)
        if self._held.dropped:
            self._appender.backlog.drop(self._held.dropped, "no stream")
            self._held.dropped = 0
            self._gate.is_fast = False
        return True

    def prepare_for_exit(self) -> None:
        """Before the interpreter ends: finalizers must be able to log and close, and daemon threads stop."""
        if self.closed or self._inherited is not None:
            return
        if self._closing.requested:
            self.close(*self._closing.requested)  # as was asked for, before an exception of a signal handler came
            return
        lock: Any = self._gate.lock
        if lock.acquire(timeout=LAST_TIMEOUT):
            try:
                self.flush()
            finally:
                lock.release()
        new_digest()  # for a seal; and what an end needs: later nothing can be imported any more
        if getattr(sys, "last_type", None) is not KeyboardInterrupt:
            # An import that evaluates text, and this is one, makes CPython forget to end by the signal: the exit code
            # would be 1. The cause of the interruption is on the terminal.
            preload()
        self._gate.prepare_for_exit()

    def __del__(self) -> None:
        # Dropped without `close`: waiting events are written if possible, and the file's lock is released.
        # A stream that could not be opened has nothing to write.
        if not getattr(self, "closed", True) and self._inherited is None and not sys.is_finalizing():
            try:
                self.flush()
                self._writer.close()
            except Exception as error:  # no caller can catch it
                warn(f"{self.path} could not be flushed: {error}. Call close() on the Exp or Logger.")


def _closed_error(event: Pending, path: str) -> LogClosed:
    return LogClosed(
        f"the event {event.name.decode('ascii')} came after {path} was closed. Log before close(), "
        "or inside the with block."
    )


def _lifecycle_event(name: bytes, data: dict[str, Any], reason: str | None) -> Pending:
    if reason is not None:
        if not isinstance(reason, str):
            raise TypeError(f"reason is {reason!r}; it must be a string.")
        data = {**data, "reason": reason[:_MAX_REASON].encode("utf-8", "backslashreplace").decode("utf-8")}
    return Pending(b'"%b"' % name, dumps(data).encode("ascii"))
