"""The events in the ring that aren't in the file yet."""

from __future__ import annotations

from marshal import loads

from .records import unpack
from .ring import TAIL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..._format.line import Numbered
    from .ring import Ring

__all__ = ["describe_events", "describe_unwritten", "unwritten"]


def unwritten(ring: Ring, last: int) -> tuple[int, list[Numbered]]:
    """Return the seq of the last line in the file, and the events in the ring that follow it, without seals.

    Args:
        ring: The ring.
        last: The seq of the last event, which is that of the last line if the ring is empty.
    """
    records = [unpack(record) for record, _ in ring.records_from(ring.words[TAIL])]
    waiting = [(seq, nanoseconds, event) for seq, nanoseconds, event, is_seal in records if not is_seal]
    # The first record may be a seal, which has a seq, too.
    return records[0][0] - 1 if records else last, waiting


def describe_unwritten(ring: Ring, written: int, last: int) -> str:
    """Return the end of a message about the events that aren't in the file; empty if they are unknown.

    Args:
        ring: The ring.
        written: The seq of the last line that the logger process wrote after the ring's; 0 if it wrote none.
        last: The seq of the last event.
    """
    record, _ = next(ring.records_from(ring.words[TAIL]), (None, 0))
    if record is None:
        return ""
    first = max(loads(record)[0], written + 1)
    return f"; {describe_events(range(first, last + 1))} not in the file"


def describe_events(seqs: Sequence[int]) -> str:
    """Return the subject and verb of a sentence about events."""
    if len(seqs) == 1:
        return f"1 event (seq {seqs[0]}) is"
    return f"{len(seqs)} events (seq {seqs[0]} to {seqs[-1]}) are"
