"""The records of the ring: events, and seals among them."""

from __future__ import annotations

from marshal import dumps, loads

from ..._format.line import Pending

__all__ = ["pack", "unpack"]


def pack(
    seq: int, nanoseconds: int, event: Pending, is_seal: bool, direct_range: tuple[int, bytes] | tuple[()]
) -> bytes:
    """Return the record of an event. In the record of a seal, the span members are None.

    Args:
        seq: The seq.
        nanoseconds: The time, since 1970 in UTC.
        event: The event.
        is_seal: Whether the event is a seal.
        direct_range: If the logger process itself wrote to the file before this event: the offset at which these bytes
            begin, and their digest. Otherwise empty.
    """
    span_members = None if is_seal else event.span_members
    return dumps((seq, nanoseconds, event.name, event.data, event.values, span_members, *direct_range), 2)


def unpack(record: bytes) -> tuple[int, int, Pending, bool]:
    """Return the seq, the time and the event of a record, and whether it is a seal."""
    seq, nanoseconds, name, data, values, span_members, *_ = loads(record)
    return seq, nanoseconds, Pending(name, data, values, span_members or b""), span_members is None
