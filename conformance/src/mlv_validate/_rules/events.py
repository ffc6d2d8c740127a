"""The chapter Events: an event by itself, the `seq` of a stream's lines, and its spans."""

from bisect import bisect_left, bisect_right
from typing import Any

from mlv_validate._findings import Broken
from mlv_validate._rules.records import CheckedRecord, apply_checks, check_calendar, check_typed_values, typed_values_in
from mlv_validate._rules.values import Quiet, never
from mlv_validate._schema.checks import SCHEMAS, checks, constants
from mlv_validate._text import show

LIFECYCLE = frozenset(constants(SCHEMAS["event"]["$defs"], "event"))
_USER_CHECKS = checks("event", member="event", is_=None)
_LIFECYCLE_CHECKS = {name: checks("event", member="event", is_=name) for name in LIFECYCLE}


def check_event(event: object, *, is_known: bool, typed: bool, quiet: Quiet = never) -> CheckedRecord:
    """Check the JSON value of a line by the rules of phase `schema`.

    Args:
        event: The value.
        is_known: Whether the version of the line is known.
        typed: Whether there may be typed values in the event.
        quiet: Returns whether the message of a rule may be left out; by default, no message may.
    """
    name = event.get("event") if isinstance(event, dict) else None
    by_name = _LIFECYCLE_CHECKS[name] if isinstance(name, str) and name in LIFECYCLE else _USER_CHECKS
    broken = apply_checks(by_name, event, is_known, quiet)
    if isinstance(event, dict):
        broken += check_calendar(event, "time", "event.time", broken)
    values = typed_values_in(event.get("data"), itself=False) if typed and isinstance(event, dict) else []
    return check_typed_values(broken, values, is_known, quiet)


class Ranges:
    """A set of integers that takes little memory if they are consecutive."""

    def __init__(self) -> None:
        self._first: list[int] = []
        self._last: list[int] = []

    def add(self, first: int, last: int) -> None:
        """Add the integers from `first` to `last`; nothing if there are none."""
        if first > last:
            return
        if not self._last or first > self._last[-1] + 1:
            self._first.append(first)
            self._last.append(last)
            return
        if first == self._last[-1] + 1:
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
        """Remove all integers."""
        self._first.clear()
        self._last.clear()


class Sequence:
    """The `seq` of the lines of a stream; a `seq` that a masked line may have counts as present."""

    def __init__(self) -> None:
        self.last = 0
        self.after_masked = False
        """Whether masked lines follow the line with the `seq` `last`."""
        self.greatest = 0
        self._numbers = Ranges()

    def add_masked(self) -> None:
        """Add a masked line."""
        self.after_masked = True

    def add(self, seq: int) -> None:
        """Add a line with this `seq`."""
        self._numbers.add(min(self.last + 1, seq) if self.after_masked else seq, seq)
        self.after_masked = False
        self.last = seq
        self.greatest = max(self.greatest, seq)

    def add_run(self, first: int, last: int) -> None:
        """Add lines with the numbers from `first` to `last`, which follow no masked line."""
        self._numbers.add(first, last)
        self.last = last
        self.greatest = max(self.greatest, last)

    def __contains__(self, seq: int) -> bool:
        return seq in self._numbers or self.after_masked and seq > self.last

    def check(self, line: int, seq: int) -> list[Broken]:
        """Check the `seq` of the next line, which is not yet added."""
        if seq > self.last and (seq == self.last + 1 or self.after_masked):
            return []
        expected = "1" if line == 1 else f"greater than {self.last}" if self.after_masked else str(self.last + 1)
        return [("log.seq", f"seq is {seq}, not {expected}")]

    def reaches(self, seq: int) -> bool:
        """Return whether a line has at least this `seq`, or may have it."""
        return self.greatest >= seq or self.after_masked


class Spans:
    """The open spans of a stream, and those that a masked line may have begun."""

    def __init__(self) -> None:
        self._open: dict[int, str] = {}
        self._possible = Ranges()
        self._ended: set[int] = set()

    def clear(self) -> None:
        """Close all spans, as a new session and a rewind do."""
        self._open.clear()
        self._possible.clear()
        self._ended.clear()

    def add_masked(self, first: int, last: int) -> None:
        """Add masked lines with numbers from `first` to `last`, which may have begun spans."""
        self._possible.add(first, last)

    def check(self, event: dict[str, Any], name: str, seq: int) -> list[Broken]:
        """Check the members `span`, `begin` and `within` of the next event."""
        broken = []
        within = event.get("within")
        if within is not None and not self.is_open(int(within)):
            broken.append(("span.within", no_span_message("within", within)))
        if event.get("span") == "begin":
            self.begin(seq, name)
        elif event.get("span") == "end":
            begin = int(event["begin"])
            if not self.is_open(begin):
                return [*broken, ("span.end", no_span_message("begin", begin))]
            begun = self.end(begin)
            if begun is not None and begun != name:
                broken.append(("span.name", f"the span began as {show(begun)} and ends as {show(name)}"))
        return broken

    def begin(self, seq: int, name: str) -> None:
        """Add an open span."""
        self._open[seq] = name

    def is_open(self, seq: int) -> bool:
        """Return whether the line with this `seq` began a span that is open, or may have begun one."""
        return seq in self._open or seq in self._possible and seq not in self._ended

    def end(self, seq: int) -> str | None:
        """End an open span, and return its name; None if a masked line began it."""
        if seq in self._open:
            return self._open.pop(seq)
        self._ended.add(seq)
        return None


def no_span_message(member: str, seq: object) -> str:
    """Return the message about a `member` that names no open span."""
    return f"{member} is {seq}, but no open span began there"
