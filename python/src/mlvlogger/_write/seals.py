"""The seals of a stream: a digest of its bytes, and the lines that carry it (specification 1.0, chapter Lifecycle)."""

from __future__ import annotations

from .._disk.blocks import CHUNK
from .._disk.line_file import FileChanged
from .._format.line import line
from .._format.seal import SUFFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._disk.line_file import LineFile

__all__ = ["Seals", "is_seal_due", "new_digest"]

_SEAL_EVERY = 64 * 1024 * 1024  # `writer.seal-often`
_HASH_EVERY = 64 * 1024  # bytes; kept in memory until then


def is_seal_due(unsealed: int) -> bool:
    """Is it time for a seal, after so many bytes without one?"""
    return unsealed > _SEAL_EVERY


def new_digest() -> Any:
    """An empty SHA-256. The first call imports what it needs."""
    global _sha256
    if _sha256 is None:
        from hashlib import sha256  # takes milliseconds, which not every program should pay

        _sha256 = sha256
    return _sha256()


_sha256: Any = None


class Seals:
    """Seals a file, and hashes it on the way.

    Args:
        file: The file.
        place: Where in it the digits of the last seal begin, 0 without one.
    """

    def __init__(self, file: LineFile, place: int) -> None:
        self._file = file
        file.recent = []
        #: Place of the last seal, the offset up to which is hashed, and the hash of the bytes between the two. What
        #: belongs together is one tuple, so that an exception of a signal handler cannot come in between.
        self._state: tuple[int, int, Any] = (place, place, None)
        #: From what size of the file on `keep_up` has something to do.
        self.next = place + _HASH_EVERY
        #: While a seal is being written: the number of its line among ours, and its place.
        self._new: tuple[int, int] | None = None

    @property
    def place(self) -> int:
        """Where in the file the digits of the last seal begin, 0 without one."""
        return self._state[0]

    @property
    def unsealed(self) -> int:
        """Bytes of the file since the last seal."""
        return self._file.size - self._state[0]

    def keep_up(self) -> bool:
        """Hash what was written, where there is enough of it. Returns whether it is time for a seal."""
        if self._file.size < self.next:
            return False
        self.next = self._file.size + _HASH_EVERY
        try:
            self._hash()
        except OSError:
            return False  # tried again later; no caller asked for a seal
        return is_seal_due(self.unsealed)

    def write(self, seq: int, nanoseconds: int, event: bytes, members: bytes) -> None:
        """Write a seal (`seal.digest`): an event whose data has *members*, as JSON text with a comma after each, then
        `from` and `sha256`. Raises OSError: it is not written, or not whole and will be cut off."""
        self.settle()
        text, place = self.line(seq, nanoseconds, event, members)
        self._new = (self._file.lines + 1, place)
        self._file.write(text)
        self.settle()

    def line(self, seq: int, nanoseconds: int, event: bytes, members: bytes) -> tuple[bytes, int]:
        """The line of a seal (arguments of `write`) after the content of the file, and the place of its digits."""
        self._hash()
        start, _, digest = self._state
        empty = line(seq, nanoseconds, event, b'{%b"from":%d,"sha256":""}' % (members, start), None, b"")
        head = empty.removesuffix(SUFFIX)
        digest = digest.copy()
        digest.update(head)
        return head + digest.hexdigest().encode("ascii") + SUFFIX, self._file.size + len(head)

    def settle(self) -> None:
        """Put file and seals in order after an error, or an exception of a signal handler wherever it came."""
        self._file.settle()
        if self._new is not None:
            number, place = self._new
            if self._file.lines >= number:
                self._state = (place, place, None)
            self._new = None

    def _hash(self) -> None:
        """Hash what was written since: as it was written, so that the seal shows changes by other programs."""
        place, hashed, digest = self._state
        if digest is None:
            digest = new_digest()
            self._state = (place, hashed, digest)
        recent, self._file.recent = b"".join(self._file.recent or ()), []
        if hashed + len(recent) == self._file.size:
            digest = digest.copy()
            digest.update(recent)
            self._state = (place, self._file.size, digest)
            return
        # What was there before us, or is missing after an exception of a signal handler.
        while hashed < self._file.size:
            chunk = self._file.read(min(CHUNK, self._file.size - hashed), hashed)
            if not chunk:
                raise FileChanged("truncated")
            digest = digest.copy()
            digest.update(chunk)
            hashed += len(chunk)
            self._state = (place, hashed, digest)
