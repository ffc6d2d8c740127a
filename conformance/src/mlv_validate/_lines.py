"""The lines of a stream, a block of them at a time, however long the file or one of its lines is."""

from collections.abc import Iterator
from typing import NamedTuple

from mlv_validate._directory import File
from mlv_validate._json import MAX_SIZE

BLOCK = 256 * 1024


class Block(NamedTuple):
    """
    Committed lines: the offsets of their first byte and after their last LF, and their bytes.

    A line that is longer than `MAX_SIZE` is a block of its own, and its bytes are not kept: `raw` is None.
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


class Lines:
    """Iterates over the lines of a file up to the size it had when it was opened; `torn` is what follows the last."""

    def __init__(self, file: File) -> None:
        self.torn = 0
        self._file = file

    def __iter__(self) -> Iterator[Block]:
        offset = 0
        while offset < self._file.size:
            raw: bytes | None = self._file.read(offset, BLOCK)
            assert raw is not None
            end = offset + raw.rfind(b"\n") + 1
            if end > offset:
                raw = raw[: end - offset]
            else:
                found = self._file.find(b"\n", offset + len(raw)) if len(raw) == BLOCK else None
                if found is None:
                    self.torn = self._file.size - offset
                    return
                end = found + 1
                raw = self._file.read(offset, end - offset) if end - offset <= MAX_SIZE else None
                if raw is not None and len(raw) < end - offset:  # it became shorter, which is reported
                    self.torn = self._file.size - offset
                    return
            yield Block(offset, end, raw)
            offset = end


def first_line(file: File) -> bytes | None:
    """The first line with its LF; None if there is none, or if it is longer than `MAX_SIZE`."""
    block = next(iter(Lines(file)), None)
    return block.raw[: block.raw.index(b"\n") + 1] if block and block.raw is not None else None
