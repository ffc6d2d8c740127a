"""The records of the ring: events, and seals among them."""

from __future__ import annotations

from marshal import dumps, loads

from ..._format.line import Pending

__all__ = ["pack", "unpack"]


def pack(seq: int, nanoseconds: int, event: Pending, is_seal: bool, own: tuple[int, bytes] | tuple[()]) -> bytes:
    """Return the record of an event. In that of a seal, the tail is None.

    Args:
        own: If the caller has written before this event: where that begins in the file, and its digest.
    """
    tail = None if is_seal else event.tail
    return dumps((seq, nanoseconds, event.name, event.data, event.values, tail, *own), 2)


def unpack(record: bytes) -> tuple[int, int, Pending, bool]:
    """Return the seq, the time and the event of a record, and whether it is a seal."""
    seq, nanoseconds, name, data, values, tail, *_ = loads(record)
    return seq, nanoseconds, Pending(name, data, values, tail or b""), tail is None
