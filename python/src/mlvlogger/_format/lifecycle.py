"""Lifecycle events: how they are recognized (specification 1.0, chapter Lifecycle)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["is_lifecycle", "lifecycle_lines", "may_be_lifecycle"]


def is_lifecycle(name: str) -> bool:
    """Whether an event of this name is a lifecycle event: the first segment ``mlv`` belongs to the specification."""
    return name.startswith("mlv/")


def lifecycle_lines(stream: str, number: int, block: bytes) -> Iterator[tuple[int, bytes]]:
    """Those lines of a block that may hold lifecycle events, with their numbers; *number* is that of the first."""
    if may_be_lifecycle(block):
        for offset, line in enumerate(block.split(b"\n")[:-1]):
            if may_be_lifecycle(line):
                yield number + offset, line


def may_be_lifecycle(text: bytes) -> bool:
    """May *text*, a line or a block, hold a lifecycle event? Its name begins so, unless it is written with escapes."""
    return b'"mlv/' in text or b"\\" in text
