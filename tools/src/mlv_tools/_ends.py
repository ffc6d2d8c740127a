"""A stream from its end on: what is near its end is known without reading the whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import IO

__all__ = ["LONGEST", "End"]

#: Bytes of the longest line that a stream may have, line feed included. Longer ones aren't events.
LONGEST = 16 * 1024 * 1024

# Most questions are answered by the last lines, the others need all of them.
_FIRST_BLOCK = 16 * 1024
_LARGEST_BLOCK = 1024 * 1024


class End:
    """The end of a stream, as it is now: what is written later does not count. The file must stay open.

    Attributes:
        size: Bytes up to and including the last line feed.
        torn: Bytes after it, which are not part of the stream.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        whole = file.seek(0, os.SEEK_END)
        self.size = self._behind_line_feed(whole)
        self.torn = whole - self.size

    def blocks(self) -> Iterator[bytes]:
        """The stream in blocks of whole lines, the last block first; a line that is too long is left out."""
        below, size = self.size, _FIRST_BLOCK
        while below > 0:
            # A block begins after a line feed; where there is none in reach, its one line is longer than a block.
            begin = max(0, below - size)
            if begin > 0:
                block = self._read(begin, below)
                cut = block.find(b"\n", 0, -1) + 1
                if cut == 0:
                    begin = self._behind_line_feed(begin)
                    block = self._read(begin, below) if below - begin <= LONGEST else b""
                else:
                    begin, block = begin + cut, block[cut:]
            else:
                block = self._read(0, below)
            if block:
                yield block
            below, size = begin, min(2 * size, _LARGEST_BLOCK)

    def _behind_line_feed(self, below: int) -> int:
        """Where the byte after the last line feed before *below* is, 0 where there is none."""
        size = 1  # mostly it is the last byte
        while below > 0:
            begin, size = max(0, below - size), min(8 * size, _LARGEST_BLOCK)
            if (found := self._read(begin, below).rfind(b"\n")) >= 0:
                return begin + found + 1
            below = begin
        return 0

    def _read(self, begin: int, below: int) -> bytes:
        self._file.seek(begin)
        return self._file.read(below - begin)
