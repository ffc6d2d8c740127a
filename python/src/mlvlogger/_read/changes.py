"""Changed parameters, and the values that were in force for an event (specification 1.0, chapter Metadata)."""

from __future__ import annotations

from bisect import bisect_right
from contextlib import suppress

from .._errors import UnsupportedVersion
from .._format.decode import decode, decode_members
from .._format.immutable import Immutable
from .._format.json import integer
from .events import parse_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from typing import Any

    from .._format.meta import Meta
    from .events import Event

__all__ = ["Change", "Changes"]


class Change(Immutable):
    """A value of a parameter, or of a member of `extra`, that a later session changed. It is immutable.

    Args:
        record: The number of the metadata record with the change.
        created: When the record was made, in UTC; None if it has no time.
        stream: The stream that the change was made for: `log.jsonl`, or that of a further script or worker, for which
            alone the change holds.
        member: `"params"` or `"extra"`.
        name: The name of the parameter.
        old: The value that was in force before.
        new: The value from then on.
    """

    __slots__ = __match_args__ = ("record", "created", "stream", "member", "name", "old", "new")

    record: int
    created: datetime | None
    stream: str
    member: str
    name: str
    old: Any
    new: Any

    def __init__(
        self, record: int, created: datetime | None, stream: str, member: str, name: str, old: Any, new: Any
    ) -> None:
        self._set(record, created, stream, member, name, old, new)

    def __str__(self) -> str:
        return f"{self.member}.{self.name}: {self.old!r} -> {self.new!r} (record {self.record}, {self.stream})"


class Changes:
    """The values of the metadata records of an experiment, under each record.

    Args:
        meta: The metadata records.
    """

    def __init__(self, meta: Meta) -> None:
        self._meta = meta
        # For each stream, the lines with `mlv/start` or `mlv/record`, their records, and the last line that was read.
        self._records: dict[str, tuple[list[int], list[int | None], int]] = {}

    def list(self, default_stream: str) -> list[Change]:
        """Return all changes, in order."""
        return [
            Change(
                change.number,
                parse_time(change.created),
                change.stream or default_stream,
                change.member,
                next(iter(decode_members({change.name: None}))),
                decode(change.old),
                decode(change.new),
            )
            for change in self._meta.changes
        ]

    def first(self, member: str) -> dict[str, Any]:
        """Return the first values of a member."""
        return decode_members({name: value for name, (_, value) in self._meta.first[member].items()})

    def in_force(self, member: str, number: int | None) -> dict[str, Any]:
        """Return the values of a member that are in force under a record; {} under none."""
        if number is None or not 1 <= number <= len(self._meta.digests):
            return {}
        return decode_members(self._meta.in_force(member, number, self._meta.streams.get(number)))

    def record_at(self, event: Event, lifecycle: Iterable[Event]) -> int | None:
        """Return the number of the record that an event is under, None if it is under none.

        Args:
            event: The event.
            lifecycle: The lifecycle events of its stream. They are read only if the event is new.
        """
        lines, records, last = self._records.get(event.stream, ([], [], 0))
        if event.line > last:
            found: list[Event] = []
            with suppress(UnsupportedVersion):  # the event is before that session
                found.extend(one for one in lifecycle if one.name in ("mlv/start", "mlv/record"))
            lines, records = [one.line for one in found], [_number(one) for one in found]
            self._records[event.stream] = lines, records, max([event.line, *lines])
        at = bisect_right(lines, event.line)
        return records[at - 1] if at else None


def _number(event: Event) -> int | None:
    record = event.data.get("record")
    return integer(record.get("number")) if isinstance(record, dict) else None
