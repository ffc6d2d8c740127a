"""The contract of the writers `DirectWriter` and `ProcessWriter`, which a stream uses."""

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

    A writer doesn't keep an event that it can't write: the stream does. Of the errors of the system, it raises only
    OSError; the subclass FileChanged means that the file isn't the one at its path, or has another size.

    An exception of a signal handler can come at any moment. Afterwards, `settle` finds out what was written.
    """

    @property
    def syncs_events(self) -> bool:
        """Whether a call of `sync` right after an event is enough to make the event durable."""

    @property
    def is_seal_due(self) -> bool:
        """Whether it was time for a seal after the last event."""

    @property
    def file(self) -> LineFile:
        """The file."""

    @property
    def seq(self) -> int:
        """The seq of the last accepted event. After an error or an exception, call `settle` first."""

    def settle(self) -> None:
        """Repair the state after an error, or after an exception of a signal handler at any point.

        Raises:
            OSError: If the system refuses.
        """

    def check(self, nanoseconds: int = 0) -> None:
        """Compare the file with the one at its path.

        Args:
            nanoseconds: The present time, so that the next events need no check; 0 if it isn't known.

        Raises:
            FileChanged: If the file isn't the one at its path, or has another size.
            OSError: If the system can't tell.
        """

    def put(
        self, nanoseconds: int, name: bytes, data: bytes, values: Numbers | None, span_members: bytes, skip: int = 0
    ) -> int:
        """Accept an event, and return its seq.

        Args:
            nanoseconds: The time, since 1970 in UTC.
            name, data, values, span_members: As for `Pending`.
            skip: How many seqs are left out before the event.

        Raises:
            FileChanged: If another program has changed the file. Nothing is written.
            OSError: If the event can't be written. If a part of its line is written, the part will be cut off.
        """

    def seal(self, nanoseconds: int, name: bytes, members: bytes) -> int:
        """Accept a seal, and return its seq. Arguments as for `Seals.write`, errors as for `put`."""

    def drain(self) -> None:
        """Wait until every event is in the kernel.

        Raises:
            OSError: If that fails.
        """

    def sync(self) -> None:
        """Wait until every event is on disk.

        Raises:
            OSError: If that fails.
        """

    def close(self) -> None:
        """Close the file and release its lock. A second call does nothing.

        Raises:
            OSError: If events can't be written.
        """

    def abandon(self) -> None:
        """Close the file in a forked child, and write nothing: the parent continues with the file."""


def put(writer: Writer, nanoseconds: int, event: Pending, skip: int = 0) -> int:
    """Pass an event to a writer, and return its seq. Arguments and errors as for `Writer.put`."""
    return writer.put(nanoseconds, event.name, event.data, event.values, event.span_members, skip)
