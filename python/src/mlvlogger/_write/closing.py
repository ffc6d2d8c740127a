"""The end of a stream. It is recorded once, even if exceptions of signal handlers interrupt `close` several times."""

from __future__ import annotations

from .._errors import WriteFailed
from .._format.lifecycle import END, SEAL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .appender import Appender
    from .destination import Destination
    from .gate import Gate
    from .reports import Reports

__all__ = ["Closing"]


class Closing:
    """Closes a stream. The caller holds the lock of the stream, and has set `Gate.is_busy`.

    Args:
        destination: The file and its writer.
        appender: Writes the waiting events and the seal.
        gate: Its `is_fast` becomes False.
        reports: Reports errors.
        sync: Whether the end must be on disk.

    Attributes:
        is_closed: Whether the stream is closed, or isn't opened yet.
        requested: The argument of a `close` that was interrupted, in a tuple; otherwise empty.
        at_exit: The data of the end with which the exit of the program closed the stream; None if it didn't. The
            stream is opened again for each event that comes even later.
    """

    def __init__(self, destination: Destination, appender: Appender, gate: Gate, reports: Reports, sync: bool) -> None:
        self._destination = destination
        self._appender = appender
        self._gate = gate
        self._reports = reports
        self._sync = sync
        self.is_closed: bool = True
        self.requested: tuple[dict[str, Any] | None] | tuple[()] = ()
        self.at_exit: dict[str, Any] | None = None
        self._end_seq = 0  # the seq of the end, from the moment at which it is being written

    @property
    def is_recorded(self) -> bool:
        """Whether the end is in the file, even if an exception of a signal handler interrupted `close`."""
        if not self._end_seq:
            return False
        self._destination.writer.settle()
        return self._destination.writer.seq >= self._end_seq

    @property
    def takes_events(self) -> bool:
        """Whether events can be logged: the stream isn't closed, or only because the program ends."""
        return not self.is_closed or self.at_exit is not None

    def cancel(self) -> None:
        """Forget a `close` that was interrupted before the end was written."""
        self._end_seq, self.requested = 0, ()

    def reopen(self) -> None:
        """Forget the end, after a new session has begun."""
        self.cancel()
        self.is_closed = False

    def close(self, data: dict[str, Any] | None) -> None:
        """Seal the stream and close the file. Arguments and errors as for `Stream.close`."""
        if self.is_closed:
            return
        self._gate.is_fast = False
        self.requested = self.requested or (data,)
        try:
            if not self.is_recorded and self._appender.write_waiting():
                self._end_seq = self._destination.writer.seq + 1
                self._appender.seal(SEAL, {}) if data is None else self._appender.seal(END, data)
            if self.is_recorded:
                self._destination.writer.drain()
                if self._sync:
                    self._appender.sync()
        except WriteFailed:
            self._close_writer()
            raise
        except OSError as error:
            self._close_writer()
            path = self._destination.path
            self._reports.fail(f"{path} could not be sealed: {error}. Open and close it again to seal it.", error)
        # An exception of a signal handler skips this: the stream stays open, and `close` can be repeated.
        self._close_writer()
        self._reports.report_changes()

    def _close_writer(self) -> None:
        if self.is_closed:
            return
        self.is_closed = True
        try:
            self._destination.writer.close()
        except OSError as error:
            path = self._destination.path
            self._reports.fail(f"{path} could not be closed in order: {error}. Open and close it again.", error)
