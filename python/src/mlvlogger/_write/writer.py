"""The contract of the writers: what a stream asks of `DirectWriter` and `ProcessWriter`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from .._disk.line_file import LineFile
    from .._format.line import Numbers, Pending
else:
    Protocol = object  # importing `typing` takes longer than importing all of mlvlogger

__all__ = ["Writer", "put"]


class Writer(Protocol):
    """Gives each event its seq, and writes it into the file of a stream. The file belongs to the writer.

    A writer keeps no event that it refuses: that is up to the stream. The only error of the system that it raises is an
    OSError; a FileChanged among them means that the file isn't the one at its path, or has another size.

    An exception of a signal handler can come at any moment. Afterwards, `settle` finds out what was written.
    """

    @property
    def syncs_events(self) -> bool:
        """Whether an event is on the disk when `sync` has returned right after it, and not only after a flush."""

    @property
    def is_seal_due(self) -> bool:
        """Whether it is time for a seal, as far as is known after the last event."""

    @property
    def file(self) -> LineFile:
        """The file."""

    @property
    def seq(self) -> int:
        """The seq of the last event that the writer has taken. After an error or exception, call `settle` before."""

    def settle(self) -> None:
        """Put things in order after an error, or an exception of a signal handler wherever it came.

        Raises:
            OSError: If the system refuses.
        """

    def check(self, nanoseconds: int = 0) -> None:
        """Compare the file with the one at its path.

        Args:
            nanoseconds: The present, if later events need no check for a while; 0 if that isn't known.

        Raises:
            FileChanged: If the file isn't the one at its path, or has another size.
            OSError: If the system can't tell.
        """

    def put(
        self, nanoseconds: int, name: bytes, data: bytes, values: Numbers | None, span_members: bytes, skip: int = 0
    ) -> int:
        """Take an event and return its seq.

        Args:
            nanoseconds: The time, since 1970 in UTC.
            name, data, values, span_members: As for `Pending`.
            skip: How many seqs are left out before the event.

        Raises:
            FileChanged: If nothing was written because another program has changed the file.
            OSError: If the event isn't written. What is written of its line will be cut off.
        """

    def seal(self, nanoseconds: int, name: bytes, members: bytes) -> int:
        """Take an event that is a seal (arguments of `Seals.write`) and return its seq. Raises as `put`."""

    def drain(self) -> None:
        """Return when every event is with the kernel. Raises OSError if that fails."""

    def sync(self) -> None:
        """Return when every event is on the disk. Raises OSError if that fails."""

    def close(self) -> None:
        """Close the file and release the lock. A second call does nothing. Raises OSError."""

    def abandon(self) -> None:
        """Close the file in a forked child and touch nothing: the parent continues with the file."""


def put(writer: Writer, nanoseconds: int, event: Pending, skip: int = 0) -> int:
    """Pass an event to a writer and return its seq. Arguments and errors as for `Writer.put`."""
    return writer.put(nanoseconds, event.name, event.data, event.values, event.span_members, skip)
