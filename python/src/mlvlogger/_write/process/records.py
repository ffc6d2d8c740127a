"""The records of the ring: events, and seals among them."""

from __future__ import annotations

from marshal import dumps, loads

from ..._format.line import Pending

__all__ = ["pack", "unpack"]


def pack(seq: int, nanoseconds: int, event: Pending, is_seal: bool) -> bytes:
    """Return the record of an event. In that of a seal, the tail is None."""
    tail = None if is_seal else event.tail
    return dumps((seq, nanoseconds, event.name, event.data, event.values, tail), 2)


def unpack(record: bytes) -> tuple[int, int, Pending, bool]:
    """Return the seq, the time and the event of a record, and whether it is a seal."""
    seq, nanoseconds, name, data, values, tail = loads(record)
    return seq, nanoseconds, Pending(name, data, values, tail or b""), tail is None
