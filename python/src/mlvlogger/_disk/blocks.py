"""The bytes of a stream, in blocks of whole lines (specification 1.0, chapter Bytes)."""

from __future__ import annotations

from .._format.json import MAX_RECORD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

__all__ = ["CHUNK", "blocks"]

CHUNK = 1024 * 1024  #: Bytes that one call reads from a file of any kind.

_BLOCK = 64 * 1024


def blocks(file: IO[bytes], size: int) -> Iterator[tuple[bytes | None, int]]:
    """Yield *size* bytes of a stream as blocks of whole lines, each with its number of bytes.

    For a line that is too long, the block is None. The bytes after the last line feed aren't a line (`reader.torn`). A
    block has about 64 KiB, or the size of its last line if that is larger.

    Args:
        file: The stream, open for reading at the beginning of a line.
        size: The number of bytes to read.

    Raises:
        OSError: If the system can't read the file.
    """
    while size > 0 and (block := file.read(min(size, _BLOCK))):
        if not block.endswith(b"\n"):
            block += file.readline(min(size - len(block), MAX_RECORD + 1))
        size -= len(block)
        last = block.rfind(b"\n", 0, -1) + 1  # the offset of the last line; the others are shorter than a block
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
