"""The bytes of a stream, in blocks of whole lines (specification 1.0, chapter Bytes)."""

from __future__ import annotations

from .._format.json import MAX_RECORD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

__all__ = ["CHUNK", "blocks"]

CHUNK = 1024 * 1024  #: bytes that are read at once from a file that is read as a whole

_BLOCK = 64 * 1024


def blocks(file: IO[bytes], size: int) -> Iterator[tuple[bytes | None, int]]:
    """The first *size* bytes of a stream as blocks of whole lines, and how many bytes each has.

    A line that is too long is a separate block, and None. The bytes after the last line feed aren't a line
    (`reader.torn`). A block has about 64 KiB, or the size of its last line where that is longer.
    """
    while size > 0 and (block := file.read(min(size, _BLOCK))):
        if not block.endswith(b"\n"):
            block += file.readline(min(size - len(block), MAX_RECORD + 1))
        size -= len(block)
        last = block.rfind(b"\n", 0, -1) + 1  # where the last line begins; the others are shorter than a block
        if block.endswith(b"\n") and len(block) - last <= MAX_RECORD:
            yield block, len(block)
            continue
        if last:
            yield block[:last], last
        length = len(block) - last
        while size > 0 and not block.endswith(b"\n") and (block := file.readline(min(size, _BLOCK))):
            size -= len(block)
            length += len(block)
        if block.endswith(b"\n"):
            yield None, length
