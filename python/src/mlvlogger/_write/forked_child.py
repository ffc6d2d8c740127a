"""The stream of a forked child: the first event of the child opens it (`writer.fork`)."""

from __future__ import annotations

from .._errors import WriteFailed
from .backlog import HeldEvents

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .._format.line import Pending
    from .._format.references import EventRef
    from .appender import Appender
    from .destination import Destination
    from .gate import Gate
    from .relocation import Relocation
    from .reports import Reports

__all__ = ["ForkedChild"]


class ForkedChild:
    """Opens a separate stream in a forked child.

    Args:
        destination: The file and its writer, which are the parent's at first.
        relocation: Knows the free names for streams.
        appender: Writes the events.
        gate: Its `is_fast` becomes False if events were dropped.
        reports: Reports errors.

    Attributes:
        inherited: In a forked child that has no stream yet, the last event of its parent; otherwise None.
    """

    def __init__(
        self, destination: Destination, relocation: Relocation, appender: Appender, gate: Gate, reports: Reports
    ) -> None:
        self._destination = destination
        self._relocation = relocation
        self._appender = appender
        self._gate = gate
        self._reports = reports
        self._held = HeldEvents()
        self.inherited: EventRef | None = None

    def open_stream(self, event: Pending | None, open_new: Callable[[bool, None, EventRef | None], None]) -> bool:
        """Open the stream of the child, and return True. If that fails, hold the event until it works.

        Args:
            event: The event that needs the stream, or None.
            open_new: `Stream._open`.

        Raises:
            WriteFailed: If that fails, with ``on_error="raise"``.
        """
        inherited, path, name = self.inherited, self._destination.path, self._destination.name
        try:
            for free in self._relocation.free_names("fork"):
                self._destination.name = free
                try:
                    open_new(True, None, inherited)
                    break
                except FileExistsError:
                    continue  # another child was faster
        except OSError as error:
            self._destination.name = name
            if self._reports.raises:
                raise WriteFailed(f"the forked process cannot open a stream next to {path}: {error}") from error
            if event is not None:
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

    def require_stream(self, open_new: Callable[[bool, None, EventRef | None], None]) -> None:
        """Open the stream of the child if there is none yet.

        Args:
            open_new: `Stream._open`.

        Raises:
            WriteFailed: If the child can't open its stream.
        """
        if self.inherited is not None and not self.open_stream(None, open_new):
            path = self._destination.path
            raise WriteFailed(f"the forked process cannot open a stream next to {path}. Free what is missing.")
