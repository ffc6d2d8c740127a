"""A stream: numbered events in one file, from `mlv/start` to a seal (specification 1.0, chapters Events and Lifecycle).

Threads, signal handlers and forked children may use it; `Appender` writes. Events come as JSON text: the logger encodes
the values of the user.
"""

from __future__ import annotations

import sys
import time

from .._disk.folder import Folder
from .._disk.line_file import FileChanged
from .._errors import WriteFailed
from .._format.line import Pending
from .._format.references import EventRef
from .._messages import warn
from .appender import Appender
from .backlog import Backlog
from .closing import Closing
from .destination import Destination
from .endings import ENDED
from .forked_child import ForkedChild
from .gate import EXIT_TIMEOUT, Gate
from .lifecycle_events import pause_event, rewind_event
from .registry import count_forks, register
from .relocation import Relocation
from .reports import Reports, closed_error
from .session import SessionStart, open_session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .._format.line import Numbers
    from .._format.references import File
    from .appender import GetSpanMembers

__all__ = ["Stream"]


class Stream:
    """One stream, open for writing by one writer in one session.

    Args:
        root: The experiment's directory, or that of a bare log.
        name: The path of the file in it, such as ``log/gpu.jsonl``.
        new: Whether to create the file. If so, it must not exist; otherwise it must exist, and a session is added.
        experiment: The id of the experiment, or None for a bare log.
        record: Returns the number and digest of the metadata record that the session runs under; None for a bare log.
            It is called once, after the file is locked and before it is written.
        get_others: Returns what the end of the stream says about the other streams; None if it lists none.
        on_error: With "warn", events that can't be written are kept in memory until they can, with one warning per
            cause. With "raise", they raise, and aren't kept.
        sync: Whether each event is on disk before its call returns; with the process writer, before `flush` returns.
        process: Whether to use a writer process. If none can be started, there is a warning, and this process writes.
        takeover: Whether to take the stream from a writer that can't be examined, with notice (`StreamLock`).

    Raises:
        FileExistsError: If the file exists, with *new*.
        FileNotFoundError: If the file doesn't exist, without *new*.
        StreamBusy: If another writer has the stream; the message names its host and process.
        InvalidRecord: If the file isn't a stream.
        UnsupportedVersion: If the stream has a version that can't be continued (`writer.version`).
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
        get_others: Callable[[Folder], dict[str, Any]] | None = None,
        on_error: str = "warn",
        sync: bool = False,
        process: bool = False,
        takeover: bool = False,
    ) -> None:
        #: Of a stream of an experiment: attaches the rows of a large table, as `AttachedFiles.attach_table` does.
        self.attach_table: Callable[[bytes, tuple[Any, ...], bytes], File | None] | None = None
        self._sync = sync
        self._first_name = name
        self._get_others = get_others
        self.start: SessionStart = SessionStart(experiment)
        self._gate = Gate()
        self._reports = Reports(on_error == "raise")
        self._destination = Destination(root, name, process, takeover)
        self._relocation = Relocation(self._destination, self.start, self._reports)
        self._appender = Appender(self._destination, self._relocation, self._gate, self._reports, sync)
        self.closing: Closing = Closing(self._destination, self._appender, self._gate, self._reports, sync)
        self._child = ForkedChild(self._destination, self._relocation, self._appender, self._gate, self._reports)
        self.paused: bool = False
        self._open(new, record, None)
        self.closing.is_closed = False
        register(self)
        self._forks = count_forks()

    @property
    def name(self) -> str:
        """The path of the file below the root."""
        return self._destination.name

    @property
    def path(self) -> str:
        """The present path of the file."""
        return self._destination.path

    @property
    def file_identity(self) -> tuple[int, int]:
        """Device and inode of the file."""
        return self._destination.writer.file.identity

    @property
    def seq(self) -> int:
        """The seq of the last event that the writer has accepted."""
        return self._destination.writer.seq

    @property
    def session(self) -> object:
        """An object that changes with everything that ends open spans: a new session, or a rewind."""
        return self._destination.session

    @property
    def replaced(self) -> dict[str, bool]:
        """The streams that this one replaces (`writer.kept-stream`), and whether it has all lines of each."""
        return self._relocation.replaced

    @property
    def closed(self) -> bool:
        """Whether the stream is closed."""
        return self.closing.is_closed

    @property
    def lists_others(self) -> bool:
        """Whether the end of the stream lists the other streams. A kept stream, or that of a child, lists none."""
        return self._get_others is not None and self.name == self._first_name

    @property
    def is_inherited(self) -> bool:
        """Whether this is a forked child that hasn't logged yet, so that the stream is still the parent's."""
        return self._child.inherited is not None

    def _open(self, new: bool, record: Callable[[], tuple[int, str]] | None, fork_of: EventRef | None) -> None:
        self._appender.backlog = Backlog()
        self.paused = False
        open_session(self._destination, self.start, new=new, record=record, fork_of=fork_of, sync=self._sync)
        self._child.inherited = None
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
            The seq of the event, and whether the event is as durable as *sync* demands. An event that waits in memory
            isn't. The seq is None if the event was dropped, or if it comes from a signal handler that interrupted
            another event: it is written right after that event.

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
            except WriteFailed:
                raise  # the event is in the file, but isn't on the disk
            except (OSError, TypeError, ValueError) as error:  # closed memory raises the last two
                if self._child.inherited is not None or self._destination.writer is not writer:
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

    def own_name(self) -> str:
        """Return the path of the stream that the session began in. A forked child opens one. Raises WriteFailed."""
        with self._gate.lock:
            if not self.closed:
                self._child.require_stream(self._open)
            return next(iter(self.replaced), self.name)

    def _append_slow(self, event: Pending, get_span_members: GetSpanMembers | None) -> tuple[int | None, bool]:
        """Append an event, or defer it if this is a signal handler that interrupted another event."""
        gate = self._gate
        if gate.is_busy:
            if self.closed:
                raise closed_error(event, self.path)
            gate.deferred.append(lambda: self._append_locked(event, get_span_members))
            return None, False
        gate.run_deferred()
        gate.is_busy = True
        try:
            return self._append_locked(event, get_span_members)
        finally:
            # Not in a function: an exception of a signal handler may come when it is entered.
            gate.is_busy = False
            if gate.deferred:
                gate.run_deferred()

    def _append_locked(self, event: Pending, get_span_members: GetSpanMembers | None) -> tuple[int | None, bool]:
        """Append an event. The caller has set `Gate.is_busy`."""
        if self.closing.is_closed or self.closing.is_recorded:
            if self.closing.at_exit is None:
                raise closed_error(event, self.path)
            return self._append_late(event, self.closing.at_exit)
        self.closing.cancel()
        span_members = b"" if get_span_members is None else get_span_members()
        if span_members is None:
            return None, False
        event = event.with_span_members(span_members)
        if self._child.inherited is not None and not self._child.open_stream(event, self._open):
            return None, False
        return self._appender.write(event, get_span_members)

    def _append_late(self, event: Pending, end: dict[str, Any]) -> tuple[int | None, bool]:
        """Append an event after the program's exit has ended the stream: in a session that ends at once."""
        was_paused = self.paused
        self._destination.uses_process = False
        try:
            self._open(False, None, None)
        except Exception as error:
            raise closed_error(event, self.path) from error
        self.closing.reopen()
        try:
            return self._appender.write(event.with_span_members(b""))
        finally:
            if was_paused:
                self._appender.write(pause_event(True, None))
                self.paused = True
            self._close(None if was_paused else end)

    def flush(self) -> None:
        """Write the waiting events, and wait until all events are in the kernel, or with *sync* on disk.

        If that fails, there is a warning.

        Raises:
            WriteFailed: If that fails, with ``on_error="raise"``.
        """
        gate = self._gate
        with gate.lock:
            if self.closed or self._child.inherited is not None or gate.is_busy:
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
        """Supersede the user's events after the seq *to*. Open spans stay unfinished (`rewind.to`)."""
        gate, end_spans = self._gate, self._destination.end_spans
        with gate.lock:
            if gate.is_busy:
                gate.deferred.append(
                    lambda: self._append_locked(rewind_event(self.path, self.seq, to, reason), end_spans)
                )
                return None
            self.flush()  # this may continue the stream in another file, which has other seqs
            event = rewind_event(self.path, self.seq, to, reason)
            seq, kept = self.append(event.name, event.data, None, end_spans)
            return seq if kept else None

    def pause(self, paused: bool, reason: str | None) -> int | None:
        """Write `mlv/pause` or `mlv/resume`. In a forked child that hasn't logged, nothing is written."""
        with self._gate.lock:
            if self._child.inherited is not None and not self.closed:
                return None
            event = pause_event(paused, reason)
            seq, kept = self.append(event.name, event.data)
            self.paused = paused
            return seq if kept else None

    def close(self, data: dict[str, Any] | None) -> None:
        """Seal the stream and close its file.

        A second call does nothing. In a forked child that hasn't logged, nothing is written.

        Args:
            data: The data of an `mlv/end`, or None for an `mlv/seal`, which leaves the stream paused.

        Raises:
            WriteFailed: If not all events could be written, with ``on_error="raise"``. The stream is closed anyway.
        """
        gate = self._gate
        with gate.lock:
            if self.closed:
                self._destination.writer.close()  # an exception of a signal handler may have prevented this
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
        if self._child.inherited is not None:
            self.closing.is_closed = True
        else:
            if data is not None and self._get_others and self.lists_others:
                data = {**data, **self._get_others(self._destination.root)}
            self.closing.close(data)
            if count_forks() != self._forks:
                self._relocation.remove_child_locks()

    def after_fork(self) -> None:
        """Leave the parent's file alone, in a forked child. The first event of the child opens a separate stream."""
        self._gate.reset()  # a thread that exists only in the parent may hold the lock
        if self.closed:
            self.closing.at_exit = None
            return
        self._relocation.reset()
        self._reports.reset()
        if self._child.inherited is None:
            self._child.inherited = EventRef(self.start.experiment, self.name, max(self.seq, 1))
            self._destination.writer.abandon()
        self._destination.end_spans()

    def end_at_exit(self, data: dict[str, Any]) -> None:
        """End the stream, or seal it if it is paused, because the program ends; and prepare it for later events.

        Finalizers may still log. Daemon threads are frozen, and nothing can be imported.

        Args:
            data: The data of the end.

        Raises:
            WriteFailed: If not all events could be written, with ``on_error="raise"``.
        """
        if self.closed or self._child.inherited is not None:
            return
        if self.closing.requested:
            self.close(*self.closing.requested)  # an exception of a signal handler interrupted this call
            return
        lock: Any = self._gate.lock
        try:
            if lock.acquire(timeout=EXIT_TIMEOUT):
                try:
                    self.close(None if self.paused else data)
                finally:
                    lock.release()
                self.closing.at_exit = data
        finally:
            self._gate.prepare_for_exit()

    def __del__(self) -> None:
        # A stream that was dropped without `close`: nothing can be logged to it any more.
        if not getattr(self, "closed", True) and self._child.inherited is None and not sys.is_finalizing():
            try:
                self.close(None if self.paused else ENDED)
            except Exception as error:  # no caller can catch it
                warn(f"{self.path} could not be ended: {error}. Call close() on the Exp or Logger.")
            finally:
                self._destination.writer.close()
