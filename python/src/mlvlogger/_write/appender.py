"""Appends events to the file of a stream, whatever happens to the file or the disk.

Here is the order of things: what waits comes first, and nothing is written before the file is known to be ours. Who
calls this has the stream to itself (`Gate`).
"""

from __future__ import annotations

import time

from .._disk.line_file import FileChanged
from .._errors import WriteFailed
from .._format.json import dumps
from .backlog import MAX_SIZE, Backlog
from .writer import put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    from .._format.line import Pending
    from .destination import Destination
    from .elsewhere import Elsewhere
    from .gate import Gate
    from .reports import Reports

    #: Returns the span members of an event, or None to write nothing. No other thread writes to the stream meanwhile.
    GetSpanMembers: TypeAlias = Callable[[], bytes | None]

__all__ = ["Appender"]


class Appender:
    """Writes events, keeps those that can't be written, and continues elsewhere if the file was changed.

    Args:
        destination: The file and its writer.
        elsewhere: What to do if the file isn't at its path any more.
        gate: Events go straight to the writer while its `is_fast` is true.
        reports: Where trouble is reported.
        sync: Whether each event must be on the disk.
    """

    def __init__(
        self, destination: Destination, elsewhere: Elsewhere, gate: Gate, reports: Reports, sync: bool
    ) -> None:
        self._destination = destination
        self._elsewhere = elsewhere
        self._gate = gate
        self._reports = reports
        self._sync = sync
        self.backlog = Backlog()

    def write(self, event: Pending, get_span_members: GetSpanMembers | None = None) -> tuple[int | None, bool]:
        """Write an event after what waits.

        Args:
            event: The event.
            get_span_members: Returns the span members again, if the spans have ended meanwhile.

        Returns:
            As `Stream.append`.

        Raises:
            WriteFailed: With ``on_error="raise"``.
        """
        destination = self._destination
        session = destination.session
        try:
            self.flush_backlog(at_once=False)
            self._reports.report_changes()
            if destination.session is not session:  # the spans are over; what ends one becomes an event
                if event.name == b'"mlv/rewind"':
                    return None, False  # to a line that isn't in this file
                event = event.with_span_members((get_span_members() if get_span_members is not None else None) or b"")
            seq = put(destination.writer, time.time_ns(), event)
        except WriteFailed:
            raise
        except OSError as error:
            return self.keep(event, error), False
        return seq, self.follow_up()

    def keep(self, event: Pending, error: OSError) -> int | None:
        """Keep an event that can't be written for later, or count it as dropped if there is no space.

        Returns its seq in the first case. Raises WriteFailed, with ``on_error="raise"``.
        """
        self._gate.is_fast = False
        path, last = self._destination.path, self._destination.writer.seq
        if self._reports.raises:
            rest = (
                self._elsewhere.at_risk()
                or f"Everything before it is intact; free what is missing and log again (last seq: {last})."
            )
            raise WriteFailed(f"an event could not be written to {path}: {error}. {rest}") from error
        reason = (error.strerror or str(error) or type(error).__name__).rstrip(".")
        seq = self.backlog.keep(event, last, reason)
        self._reports.warn_once(
            reason,
            f"cannot write to {path}: {reason}. Events are kept in memory (up to {MAX_SIZE // 2**20} MiB; "
            "what is more is counted as dropped) and written as soon as it works again.",
        )
        return seq

    def follow_up(self) -> bool:
        """Seal and sync after an event, if it is time. Returns whether the event is kept at the level of *sync*."""
        writer = self._destination.writer
        if writer.is_seal_due:
            self._gate.is_fast = False  # so that the next event tries again
            try:
                writer.check()
                self.seal(b"mlv/seal", {})
                self._gate.is_fast = True
            except OSError:
                pass  # tried again later; the event is written
        return not self._sync or not self._destination.writer.syncs_events or self.sync()

    def flush_backlog(self, at_once: bool = True) -> None:
        """Put the stream in order after an error, or an exception of a signal handler wherever it came; and write what
        waits.

        Args:
            at_once: Whether to try again what has just failed; otherwise only after a second, for events that come
                quickly.

        Raises:
            OSError: If the system refuses.
        """
        self._gate.is_fast = False
        try:
            self._destination.writer.settle()
            self._destination.writer.check()
        except FileChanged as change:
            self._elsewhere.continue_there(change, self.backlog, at_once)
        self.backlog.flush(self._destination.writer)
        self._gate.is_fast = True

    def write_waiting(self) -> bool:
        """Write what waits, and return when it is with the kernel. Returns whether that worked.

        Raises WriteFailed, with ``on_error="raise"``; otherwise warns.
        """
        try:
            if self.backlog:
                self._destination.writer.drain()  # a process that writes finds out within a moment that it works again
            self.flush_backlog()
        except OSError as error:
            waiting = len(self.backlog)
            what = f"{waiting} events could not be written" if waiting else "the log could not be put in order"
            rest = self._elsewhere.at_risk() or "It is tried again with the next event."
            self._reports.fail(f"{self._destination.path}: {what}: {error}. {rest}", error)
            return False
        try:
            self._destination.writer.drain()
        except FileChanged:  # the other process has found it
            return self.write_waiting()
        except OSError as error:
            path = self._destination.path
            self._reports.fail(
                f"events could not be written to {path}: {error}. The writer process keeps trying.", error
            )
            return False
        return True

    def sync(self) -> bool:
        """Return whether all events are on the disk. Raises WriteFailed if not, with ``on_error="raise"``."""
        try:
            self._destination.writer.sync()
        except OSError as error:
            message = (
                f"events of {self._destination.path} are written, but may not be on the disk: {error}. "
                "Copy the file elsewhere."
            )
            if self._reports.raises:
                raise WriteFailed(message) from error
            self._reports.warn_once("sync", message)
            return False
        return True

    def seal(self, name: bytes, data: dict[str, Any]) -> None:
        """Write an event that is a seal. Raises OSError."""
        members = dumps(data)[1:-1].encode("ascii") + b"," if data else b""
        self._gate.is_fast = False  # until it is written or given up: an exception may come in between
        self._destination.writer.seal(time.time_ns(), b'"%b"' % name, members)
