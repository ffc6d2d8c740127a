"""The events that a stream keeps in memory while the system refuses to write (specification 1.0, `writer.dropped`)."""

from __future__ import annotations

import time

from .._format.lifecycle import DROPPED, dropped_data, dropped_reasons
from .._format.line import Pending
from .writer import put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .._format.line import Numbered
    from .writer import Writer

__all__ = ["MAX_SIZE", "Backlog", "HeldEvents"]

#: The most bytes of events in memory. Further events are dropped.
MAX_SIZE = 16 * 1024 * 1024


class Backlog:
    """The events that wait to be written, with their seqs, and the number of the dropped events after them."""

    def __init__(self) -> None:
        self._waiting: list[Numbered] = []
        self._size = 0
        self._dropped = 0
        self._reasons: dict[str, int] = {}
        #: The seq of the `mlv/dropped` about the dropped events while it is being written to this file; otherwise 0.
        self.dropped_seq: int = 0

    def __len__(self) -> int:
        return len(self._waiting) + self._dropped

    def keep(self, event: Pending, last: int, reason: str) -> int | None:
        """Keep an event, or count it as dropped if there is no space.

        Args:
            event: The event.
            last: The seq of the last event that the writer has accepted.
            reason: Why the event can't be written.

        Returns:
            The seq of the event, or None if it is dropped.
        """
        nanoseconds = time.time_ns()
        seq = (self._waiting[-1][0] if self._waiting else last) + self._dropped + 1
        size = len(event.render(seq, nanoseconds))
        if not self._dropped and self._size + size <= MAX_SIZE:
            self._waiting.append((seq, nanoseconds, event))
            self._size += size
            return seq
        self.drop(1, reason)
        return None

    def drop(self, count: int, reason: str) -> None:
        """Count events as dropped."""
        self._dropped += count
        self._reasons[reason] = self._reasons.get(reason, 0) + count

    def flush(self, writer: Writer) -> None:
        """Write the waiting events, and an `mlv/dropped` about the dropped events.

        After an error, or an exception of a signal handler, the next call continues.

        Raises:
            OSError: If the system refuses.
        """
        if self.dropped_seq and writer.seq >= self.dropped_seq:
            self._dropped, self._reasons = 0, {}
        self.dropped_seq = 0
        while self._waiting and (done := writer.seq + 1 - self._waiting[0][0]) < len(self._waiting):
            _, nanoseconds, event = self._waiting[done]
            put(writer, nanoseconds, event)
        if self._waiting:
            self._waiting, self._size = [], 0
        if self._dropped:
            first, last = writer.seq + 1, writer.seq + self._dropped
            event = Pending(DROPPED, dropped_data(first, last, self._reasons))
            self.dropped_seq = last + 1
            put(writer, time.time_ns(), event, self._dropped)
            writer.settle()
            self._dropped, self._reasons, self.dropped_seq = 0, {}, 0

    def insert(self, waiting: list[Numbered], last: int) -> None:
        """Insert the events that a writer process has not written before the others.

        Args:
            waiting: The events, in order.
            last: The seq of the last event in the file.
        """
        for _, _, event in waiting:
            if event.name == DROPPED:  # its seqs are of the old file
                for reason, count in dropped_reasons(event.data).items():
                    self.drop(count, reason)
        waiting = [numbered for numbered in waiting if numbered[2].name != DROPPED]
        both = enumerate([*waiting, *self._waiting], last + 1)
        self._waiting = [(seq, nanoseconds, event) for seq, (_, nanoseconds, event) in both]
        self._size = sum(len(event.render(seq, nanoseconds)) for seq, nanoseconds, event in self._waiting)

    def move(self, old: int, last: int) -> None:
        """Renumber the waiting events for another file, and remove them from their spans.

        The begin events of their spans may be in the old file.

        Args:
            old: The seq of the last event in the old file.
            last: The seq of the last event in the new file.
        """
        done = max(old + 1 - self._waiting[0][0], 0) if self._waiting else 0
        waiting = enumerate(self._waiting[done:], last + 1)
        self._waiting = [(seq, nanoseconds, event.with_span_members(b"")) for seq, (_, nanoseconds, event) in waiting]
        self._size = sum(len(event.render(seq, nanoseconds)) for seq, nanoseconds, event in self._waiting)


class HeldEvents:
    """The events of a forked child that has no stream yet. They have no seqs.

    Attributes:
        dropped: The number of the events that were dropped, because there was no space.
    """

    def __init__(self) -> None:
        self._events: list[Pending] = []
        self._size = 0
        self.dropped = 0

    def hold(self, event: Pending) -> None:
        """Keep an event, or count it as dropped if there is no space."""
        size = len(event.render(0, 0))
        if self._size + size <= MAX_SIZE:
            self._events.append(event)
            self._size += size
        else:
            self.dropped += 1

    def take(self) -> list[Pending]:
        """Remove the events, and return them."""
        events, self._events, self._size = self._events, [], 0
        return events
