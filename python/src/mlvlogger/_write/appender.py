"""Appends events to the file of a stream, even if the disk fails or another program changes the file.

It writes waiting events before new ones, and writes nothing before it has checked that the file is the stream's. The
caller holds the lock of the stream, and has set `Gate.is_busy`.
"""

from __future__ import annotations

import time

from .._disk.line_file import FileChanged
from .._errors import WriteFailed
from .._format.json import dumps
from .._format.lifecycle import REWIND, SEAL
from .backlog import MAX_SIZE, Backlog
from .writer import put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    from .._format.line import Pending
    from .destination import Destination
    from .gate import Gate
    from .relocation import Relocation
    from .reports import Reports

    #: Returns the span members of an event, or None to write nothing. No other thread writes to the stream meanwhile.
    GetSpanMembers: TypeAlias = Callable[[], bytes | None]

__all__ = ["Appender"]


class Appender:
    """Writes events, keeps events that can't be written, and continues in another file if the file was changed.

    Args:
        destination: The file and its writer.
        relocation: Continues in another file, if the file isn't at its path any more.
        gate: While its `is_fast` is true, events go straight to the writer.
        reports: Reports errors.
        sync: Whether each event must be on disk.

    Attributes:
        backlog: The waiting events.
    """

    def __init__(
        self, destination: Destination, relocation: Relocation, gate: Gate, reports: Reports, sync: bool
    ) -> None:
        self._destination = destination
        self._relocation = relocation
        self._gate = gate
        self._reports = reports
        self._sync = sync
        self.backlog: Backlog = Backlog()

    def write(self, event: Pending, get_span_members: GetSpanMembers | None = None) -> tuple[int | None, bool]:
        """Write an event after the waiting ones.

        Args:
            event: The event.
            get_span_members: Returns the span members again, if the spans of the event have ended meanwhile.

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
            if destination.session is not session:  # all spans have ended, and the end event of a span is a plain event
                if event.name == REWIND:
                    return None, False  # its line isn't in this file
                event = event.with_span_members((get_span_members() if get_span_members is not None else None) or b"")
            seq = put(destination.writer, time.time_ns(), event)
        except WriteFailed:
            raise
        except OSError as error:
            return self.keep(event, error), False
        return seq, self.follow_up()

    def keep(self, event: Pending, error: OSError) -> int | None:
        """Keep an event that can't be written, or count it as dropped if there is no space.

        Args:
            event: The event.
            error: Why it can't be written.

        Returns:
            The seq of the event, or None if it is dropped.

        Raises:
            WriteFailed: With ``on_error="raise"``.
        """
        self._gate.is_fast = False
        path, last = self._destination.path, self._destination.writer.seq
        if self._reports.raises:
            rest = (
                self._relocation.describe_risk()
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
        """Seal and sync after an event, if it is time. Return whether the event is as durable as *sync* demands."""
        writer = self._destination.writer
        if writer.is_seal_due:
            self._gate.is_fast = False  # so that the next event tries again
            try:
                writer.check()
                self.seal(SEAL, {})
                self._gate.is_fast = True
            except OSError:
                pass  # tried again later; the event is written
        return not self._sync or not self._destination.writer.syncs_events or self.sync()

    def flush_backlog(self, at_once: bool = True) -> None:
        """Repair the stream after an error, or an exception of a signal handler at any point; and write waiting events.

        Args:
            at_once: Whether to retry immediately if continuing in another file has just failed. Otherwise the next try
                comes after a second at the earliest, because events may come quickly.

        Raises:
            OSError: If the system refuses.
        """
        self._gate.is_fast = False
        try:
            self._destination.writer.settle()
            self._destination.writer.check()
        except FileChanged as change:
            self._relocation.relocate(change, self.backlog, at_once)
        self.backlog.flush(self._destination.writer)
        self._gate.is_fast = True

    def write_waiting(self) -> bool:
        """Write the waiting events, and wait until all events are in the kernel. If that fails, report it.

        Returns:
            Whether all events are in the kernel.

        Raises:
            WriteFailed: If that fails, with ``on_error="raise"``.
        """
        try:
            if self.backlog:
                self._destination.writer.drain()  # a writer process retries, and may succeed within a moment
            self.flush_backlog()
        except OSError as error:
            waiting = len(self.backlog)
            what = f"{waiting} events could not be written" if waiting else "the log could not be put in order"
            rest = self._relocation.describe_risk() or "It is tried again with the next event."
            self._reports.fail(f"{self._destination.path}: {what}: {error}. {rest}", error)
            return False
        try:
            self._destination.writer.drain()
        except FileChanged:  # the writer process has noticed it
            return self.write_waiting()
        except OSError as error:
            path = self._destination.path
            self._reports.fail(
                f"events could not be written to {path}: {error}. The writer process keeps trying.", error
            )
            return False
        return True

    def sync(self) -> bool:
        """Sync the file, and return whether all events are on disk. If that fails, report it.

        Raises:
            WriteFailed: If that fails, with ``on_error="raise"``.
        """
        try:
            self._destination.writer.sync()
        except OSError as error:
            message = (
                f"events of {self._destination.path} are written, but may not be on the disk: {error}. "
                "Copy the file elsewhere."
            )
            if self._reports.raises:
                failed = WriteFailed(message)
                failed.is_written = True
                raise failed from error
            self._reports.warn_once("sync", message)
            return False
        return True

    def seal(self, name: bytes, data: dict[str, Any]) -> None:
        """Write a seal.

        Args:
            name: `SEAL` or `END`.
            data: Its data, without `from` and `sha256`.

        Raises:
            OSError: If it can't be written.
        """
        members = dumps(data)[1:-1].encode("ascii") + b"," if data else b""
        self._gate.is_fast = False  # an exception of a signal handler may leave the seal unfinished
        self._destination.writer.seal(time.time_ns(), name, members)
