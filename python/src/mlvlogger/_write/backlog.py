"""What a stream keeps in memory while the system refuses to write (specification 1.0, `writer.dropped`)."""

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

#: Bytes of events that are kept.
MAX_SIZE = 16 * 1024 * 1024


class Backlog:
    """Events that wait to be written, with their seqs; and how many came after them and could not be kept."""

    def __init__(self) -> None:
        self._waiting: list[Numbered] = []
        self._size = 0
        self._dropped = 0
        self._reasons: dict[str, int] = {}
        #: The seq of the `mlv/dropped` about the dropped events, once it is being written to this file; 0 before.
        self.dropped_seq = 0

    def __len__(self) -> int:
        return len(self._waiting) + self._dropped

    def keep(self, event: Pending, last: int, reason: str) -> int | None:
        """Keep an event, or count it as dropped if there is no space.

        Args:
            event: The event.
            last: The seq of the last event that the writer has taken.
            reason: Why the event can't be written.

        Returns:
            Its seq, None if it is dropped.
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
        """Write what waits, and an `mlv/dropped` about what could not be kept.

        What an error, or an exception of a signal handler, has left undone is done by the next call. Raises OSError.
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

    def take_over(self, waiting: list[Numbered], last: int) -> None:
        """Keep what another process has not written, before the rest.

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
        """Renumber what waits for another file, where it is in no span: their beginnings may be in the old file.

        Args:
            old: The seq of the last event in the old file.
            last: That in the new file.
        """
        done = max(old + 1 - self._waiting[0][0], 0) if self._waiting else 0
        waiting = enumerate(self._waiting[done:], last + 1)
        self._waiting = [(seq, nanoseconds, event.with_span_members(b"")) for seq, (_, nanoseconds, event) in waiting]
        self._size = sum(len(event.render(seq, nanoseconds)) for seq, nanoseconds, event in self._waiting)


class HeldEvents:
    """Events of a forked child that has no stream yet, so that they have no seqs."""

    def __init__(self) -> None:
        self._events: list[Pending] = []
        self._size = 0
        #: How many could not be kept.
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
        """Return the events, and keep them no longer."""
        events, self._events, self._size = self._events, [], 0
        return events
