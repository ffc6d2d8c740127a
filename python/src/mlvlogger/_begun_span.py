"""A span that was begun: whether it is open, and the members that events have because of it (chapter Events)."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._write.stream import Stream

__all__ = ["BegunSpan"]


class BegunSpan:
    """A span after its begin event. It refers to no logger, so that a dropped logger is freed at once.

    Args:
        stream: The stream.
        outer: The innermost span that this one was begun in.
        seq: The seq of the begin event; None if it was dropped or deferred.
        session: A list with the session in which the span was begun; empty if it wasn't begun.

    Attributes:
        has_ended: Whether the end event was written.
    """

    def __init__(self, stream: Stream, outer: BegunSpan | None, seq: int | None, session: list[object]) -> None:
        self._stream = stream
        self._outer = outer
        self.seq = seq
        self._within = b"" if seq is None else b',"within":%d' % seq
        self._session = session
        self._clock = time.perf_counter()
        self.has_ended = False

    @property
    def is_open(self) -> bool:
        """As in `Span`."""
        return not self.has_ended and self.seq is not None and self._session[0] is self._stream.session

    @property
    def seconds(self) -> float:
        """The seconds since the begin event, by the monotonic clock."""
        return time.perf_counter() - self._clock

    def within(self) -> bytes:
        """Return the member `within` for the innermost open span, with a comma in front, or nothing."""
        span: BegunSpan | None = self
        while span is not None and not span.is_open:
            span = span._outer
        return b"" if span is None else span._within

    def end(self, seconds: float) -> bytes | None:
        """End the span, and return the members of its end event; None if another thread or a signal handler has."""
        if not self.is_open:
            return None
        self.has_ended = True
        return b',"span":"end","begin":%d,"seconds":%a' % (self.seq or 0, seconds)
