"""The seals of one stream: their form, the place of the one before, and the digest of the bytes between."""

import re
from typing import Any

from mlv_validate._directory import File
from mlv_validate._json import Broken
from mlv_validate._lines import Line

_END = re.compile(rb'"sha256":"([0-9a-f]{64})"\}\}\n\Z')
_AFTER_PLACE = 64 + len('"}}\n')


class Seals:
    """Follows the seals of a stream; lines are handed over in order."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._place: int | None = 0
        # Byte ranges that may contain the place of the seal before: lines that could not be read.
        self._possible: list[tuple[int, int]] = []

    def masked(self, start: int, end: int) -> None:
        """Between these offsets, lines went by that may have been seals."""
        if self._possible and self._possible[-1][1] == start:
            start = self._possible.pop()[0]
        self._possible.append((start, end))

    def judge(self, line: Line, data: dict[str, Any]) -> list[Broken]:
        """Judge the seal on a line; returns the rules that it breaks."""
        end = _END.search(line.raw or b"", max(0, len(line.raw or b"") - 100))
        if not end or end[1].decode() != data["sha256"]:
            self._place, self._possible = None, [(line.start, line.end)]
            return [("seal.form", 'the line does not end with "sha256":"…"}} and LF')]
        place = line.end - _AFTER_PLACE
        start = int(data["from"])
        before, right = self._place, self._follows(start)
        self._place, self._possible = place, []
        if not right:
            expected = "in the line of the seal before" if before is None else f"at {before}"
            return [("seal.from", f"from is {start}, but the bytes that no seal covers yet begin {expected}")]
        found = self._file.digest(start, place)
        if found is not None and found != data["sha256"]:  # None: the file has become shorter, which is reported
            return [("seal.digest", f"the digest of bytes {start} to {place} is {found}, not {data['sha256']}")]
        return []

    def _follows(self, start: int) -> bool:
        return start == self._place or any(first <= start < end for first, end in self._possible)
