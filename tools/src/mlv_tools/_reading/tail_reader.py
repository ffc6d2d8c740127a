"""Reading a stream from its end: most questions are answered by its last lines."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import IO

from mlvlogger import MAX_RECORD

__all__ = ["TailReader"]

# The last lines answer most questions; all other questions need the whole stream.
_FIRST_BLOCK = 16 * 1024
_LARGEST_BLOCK = 1024 * 1024


class TailReader:
    """Reads an open stream backwards, up to the size that it has at the start.

    Attributes:
        size: The number of bytes up to and including the last line feed.
        torn: The number of bytes after the last line feed, which aren't part of the stream.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        whole = file.seek(0, os.SEEK_END)
        self.size = self._after_line_feed(whole)
        self.torn = whole - self.size

    def blocks(self) -> Iterator[bytes]:
        """Yield the stream in blocks of whole lines, the last block first; lines that are too long are left out."""
        end, size = self.size, _FIRST_BLOCK
        while end > 0:
            # A block begins after a line feed. If there is none in reach, its one line is longer than a block.
            begin = max(0, end - size)
            if begin > 0:
                block = self._read(begin, end)
                cut = block.find(b"\n", 0, -1) + 1
                if cut == 0:
                    begin = self._after_line_feed(begin)
                    block = self._read(begin, end) if end - begin <= MAX_RECORD else b""
                else:
                    begin, block = begin + cut, block[cut:]
            else:
                block = self._read(0, end)
            if block:
                yield block
            end, size = begin, min(2 * size, _LARGEST_BLOCK)

    def lines(self) -> Iterator[bytes]:
        """Yield the lines of the stream without their line feeds, the last line first."""
        for block in self.blocks():
            yield from reversed(block.split(b"\n")[:-1])

    def _after_line_feed(self, end: int) -> int:
        """Return the offset after the last line feed before *end*, or 0 if there is none."""
        size = 1  # usually the last byte is a line feed
        while end > 0:
            begin, size = max(0, end - size), min(8 * size, _LARGEST_BLOCK)
            if (found := self._read(begin, end).rfind(b"\n")) >= 0:
                return begin + found + 1
            end = begin
        return 0

    def _read(self, begin: int, end: int) -> bytes:
        self._file.seek(begin)
        return self._file.read(end - begin)
