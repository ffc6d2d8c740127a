"""The lines of a stream, one at a time, however long the file or one of its lines is."""

import io
from collections.abc import Iterator
from dataclasses import dataclass

from mlv_validate._directory import File
from mlv_validate._json import MAX_SIZE


@dataclass(frozen=True, slots=True)
class Line:
    """
    A committed line: its number, the offsets of its first byte and after its LF, and its bytes with the LF.

    The bytes of a line beyond `MAX_SIZE` are not kept: `raw` is None.
    """

    number: int
    start: int
    end: int
    raw: bytes | None


class Lines:
    """Iterates over the lines of a file up to the size it had when it was opened; `torn` is what follows the last."""

    def __init__(self, file: File) -> None:
        self.torn = 0
        self._file = file

    def __iter__(self) -> Iterator[Line]:
        number = offset = 0
        reader = io.BufferedReader(_Raw(self._file), buffer_size=1024 * 1024)
        while offset < self._file.size:
            raw: bytes | None = reader.readline(MAX_SIZE)
            assert raw is not None
            end: int | None = offset + len(raw)
            if not raw.endswith(b"\n"):
                end = self._file.find(b"\n", offset + len(raw)) if len(raw) == MAX_SIZE else None
                if end is None:
                    self.torn = self._file.size - offset
                    return
                end += 1
                reader.seek(end)
                raw = None
            assert end is not None
            number += 1
            yield Line(number, offset, end, raw)
            offset = end


class _Raw(io.RawIOBase):
    """A file as the standard library's readers want it, cut at the size it had."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._offset = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._offset = {io.SEEK_SET: 0, io.SEEK_CUR: self._offset, io.SEEK_END: self._file.size}[whence] + offset
        return self._offset

    def tell(self) -> int:
        return self._offset

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        part = self._file.read(self._offset, len(buffer))
        buffer[: len(part)] = part
        self._offset += len(part)
        return len(part)
