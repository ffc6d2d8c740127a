"""How a stream reports errors: by warnings, or by exceptions."""

from __future__ import annotations

from .._errors import LogClosed, WriteFailed
from .._messages import warn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .._format.line import Pending

__all__ = ["Reports", "closed_error"]


class Reports:
    """The reports of one stream.

    Args:
        raises: Whether errors raise WriteFailed (``on_error="raise"``), or only warn.
    """

    def __init__(self, raises: bool) -> None:
        self.raises = raises
        self.reset()

    def reset(self) -> None:
        """Forget the reports of the parent, in a forked child."""
        self._warned: set[str] = set()
        self._changes: list[str] = []

    def warn_once(self, cause: str, message: str) -> None:
        """Warn, if this is the first warning for its cause."""
        if cause not in self._warned:
            self._warned.add(cause)
            warn(message)

    def fail(self, message: str, error: OSError) -> None:
        """Raise WriteFailed, or warn."""
        if self.raises:
            raise WriteFailed(message) from error
        if not (isinstance(error, FileNotFoundError) and error.strerror in self._warned):  # the directory is gone
            warn(message)

    def add_change(self, message: str) -> None:
        """Add a message about another program that changed the file. `report_changes` reports it later."""
        self._changes.append(message)

    def report_changes(self) -> None:
        """Raise WriteFailed for a change of the file, or warn. Call this when the stream is repaired."""
        while self._changes:
            message = self._changes.pop(0)
            if self.raises:
                raise WriteFailed(message)
            warn(message)


def closed_error(event: Pending, path: str) -> LogClosed:
    """Return the error of an event that comes after its stream was closed."""
    return LogClosed(
        f"the event {event.name.decode('ascii')} came after {path} was closed. Log before close(), "
        "or inside the with block."
    )
