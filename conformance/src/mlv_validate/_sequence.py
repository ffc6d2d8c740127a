"""What is known of a stream as its lines go by: the numbers it holds, and the spans that are open."""

from bisect import bisect_left, bisect_right


class Ranges:
    """A set of integers, small as long as they come in runs."""

    def __init__(self) -> None:
        self._first: list[int] = []
        self._last: list[int] = []

    def add(self, first: int, last: int) -> None:
        """Add the integers from `first` to `last`; nothing if there are none."""
        if first > last:
            return
        if self._last and first == self._last[-1] + 1:
            self._last[-1] = last
            return
        left = bisect_left(self._last, first - 1)
        right = bisect_right(self._first, last + 1)
        if left < right:
            first, last = min(first, self._first[left]), max(last, self._last[right - 1])
        self._first[left:right], self._last[left:right] = [first], [last]

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._first, number) - 1
        return at >= 0 and number <= self._last[at]

    def clear(self) -> None:
        self._first.clear()
        self._last.clear()


class Sequence:
    """The `seq` of the lines of a stream. What a masked line may have had counts as being there."""

    def __init__(self) -> None:
        self.last = 0
        self.masked = False
        self.greatest = 0
        self._numbers = Ranges()

    def mask(self) -> None:
        """A line went by that could not be read."""
        self.masked = True

    def add(self, seq: int) -> None:
        """A line with this `seq` went by."""
        if self.masked:
            self._numbers.add(self.last + 1, seq - 1)
            self.masked = False
        self._numbers.add(seq, seq)
        self.last = seq
        self.greatest = max(self.greatest, seq)

    def run(self, first: int, last: int) -> None:
        """Lines with the numbers from `first` to `last` went by, after the line before `first`."""
        self._numbers.add(first, last)
        self.last = last
        self.greatest = max(self.greatest, last)

    def __contains__(self, seq: int) -> bool:
        return seq in self._numbers or self.masked and seq > self.last

    def reaches(self, seq: int) -> bool:
        """Whether a line has at least this `seq`, or may have it."""
        return self.greatest >= seq or self.masked


class Spans:
    """The spans of a stream that are open, or that a masked line may have begun."""

    def __init__(self) -> None:
        self._open: dict[int, str] = {}
        self._possible = Ranges()
        self._ended: set[int] = set()

    def clear(self) -> None:
        """Close all: a session begins, or a rewind."""
        self._open.clear()
        self._possible.clear()
        self._ended.clear()

    def masked(self, first: int, last: int) -> None:
        """Between these numbers, both included, masked lines may have begun spans."""
        self._possible.add(first, last)

    def begin(self, seq: int, name: str) -> None:
        self._open[seq] = name

    def is_open(self, seq: int) -> bool:
        return seq in self._open or seq in self._possible and seq not in self._ended

    def end(self, seq: int) -> str | None:
        """End an open span; returns its name, None if it was on a masked line."""
        if seq in self._open:
            return self._open.pop(seq)
        self._ended.add(seq)
        return None
