"""The lines of a stream, in blocks, however long the file or one of its lines is."""

from collections.abc import Iterator
from typing import NamedTuple

from mlv_validate._read.directory import File

MAX_SIZE = 16 * 1024 * 1024
"""The maximum size of a record in bytes, for a line with its LF."""

_BLOCK_SIZE = 256 * 1024
_FIRST_BLOCK_SIZE = _BLOCK_SIZE // 16  # small at first: the fast path learns from one block for the next


class Block(NamedTuple):
    """Committed lines: the offsets of their first byte and after their last LF, and their bytes.

    A line that is longer than `MAX_SIZE` is a separate block without bytes: `raw` is None.
    """

    start: int
    end: int
    raw: bytes | None


class Line(NamedTuple):
    """A committed line: its number, the offsets of its first byte and after its LF, and its bytes with the LF."""

    number: int
    start: int
    end: int
    raw: bytes | None


def blocks(file: File, start: int = 0, stop: int | None = None) -> Iterator[Block]:
    """Yield the committed lines of a file up to its size when it was opened, or those that begin in a range.

    Args:
        file: The open file.
        start: The first offset of the range.
        stop: The offset after the range; None for the whole file.
    """
    stop = file.size if stop is None else min(stop, file.size)
    size = _FIRST_BLOCK_SIZE
    if start:
        before = file.read(start - 1, min(_BLOCK_SIZE, stop - start))
        if b"\n" not in before:
            before = file.read(start - 1, stop - start)
        start = start + before.index(b"\n") if b"\n" in before else stop
    while start < stop:
        raw: bytes | None = file.read(start, size)
        assert raw is not None
        end = start + raw.rfind(b"\n") + 1
        if end > start:
            end = min(end, start + raw.find(b"\n", stop - start - 1) + 1) if end > stop else end
            raw = raw[: end - start]
        else:
            found = file.find(b"\n", start + len(raw)) if len(raw) == size else None
            if found is None:
                return
            end = found + 1
            raw = file.read(start, end - start) if end - start <= MAX_SIZE else None
            if raw is not None and len(raw) < end - start:
                return  # the file became shorter, which is reported elsewhere
        yield Block(start, end, raw)
        start, size = end, min(2 * size, _BLOCK_SIZE)


def first_line(file: File) -> bytes | None:
    """Return the first line with its LF; None if there is none, or if it is longer than `MAX_SIZE`."""
    block = next(blocks(file), None)
    return block.raw[: block.raw.index(b"\n") + 1] if block and block.raw is not None else None
