"""The end of a stream: it is recorded once, however often an exception of a signal handler interrupts `close`."""

from __future__ import annotations

from .._errors import WriteFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .appender import Appender
    from .destination import Destination
    from .gate import Gate
    from .reports import Reports

__all__ = ["Closing"]


class Closing:
    """Closes a stream. The caller has the stream to itself (`Gate`).

    Args:
        destination: The file and its writer.
        appender: Writes what waits, and the seal.
        gate: Events don't go straight to the writer any more.
        reports: Where trouble is reported.
        sync: Whether the end must be on the disk.
    """

    def __init__(self, destination: Destination, appender: Appender, gate: Gate, reports: Reports, sync: bool) -> None:
        self._destination = destination
        self._appender = appender
        self._gate = gate
        self._reports = reports
        self._sync = sync
        #: Whether the stream is closed: before it is opened, too.
        self.is_closed = True
        #: What `close` was called with, until that has come to something.
        self.requested: tuple[dict[str, Any] | None] | tuple[()] = ()
        self._end_seq = 0  # of the end, once it is being written

    @property
    def is_recorded(self) -> bool:
        """Whether the end is recorded: after a `close` that an exception of a signal handler interrupted, too."""
        if not self._end_seq:
            return False
        self._destination.writer.settle()
        return self._destination.writer.seq >= self._end_seq

    def cancel(self) -> None:
        """Forget a `close` that was interrupted and has come to nothing."""
        self._end_seq, self.requested = 0, ()

    def close(self, data: dict[str, Any] | None) -> None:
        """Seal the stream and close the file. Arguments and errors as for `Stream.close`."""
        if self.is_closed:
            return
        self._gate.is_fast = False
        self.requested = self.requested or (data,)
        try:
            if not self.is_recorded and self._appender.write_waiting():
                self._end_seq = self._destination.writer.seq + 1
                self._appender.seal(b"mlv/seal", {}) if data is None else self._appender.seal(b"mlv/end", data)
            if self.is_recorded:
                self._destination.writer.drain()
                if self._sync:
                    self._appender.sync()
        except WriteFailed:
            self._let_go()
            raise
        except OSError as error:
            self._let_go()
            path = self._destination.path
            self._reports.fail(f"{path} could not be sealed: {error}. Open and close it again to seal it.", error)
        # An exception of a signal handler passes: the stream is open still, and `close` can be called again.
        self._let_go()
        self._reports.report_changes()

    def _let_go(self) -> None:
        if self.is_closed:
            return
        self.is_closed = True
        try:
            self._destination.writer.close()
        except OSError as error:
            path = self._destination.path
            self._reports.fail(f"{path} could not be closed in order: {error}. Open and close it again.", error)
