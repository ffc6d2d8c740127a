"""The seals of a stream: the lines that carry a digest of its bytes (specification 1.0, chapter Lifecycle)."""

from __future__ import annotations

from .._format.line import line
from .._format.seal import SUFFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .written import Written

__all__ = ["Seals", "is_seal_due"]

_SEAL_EVERY = 64 * 1024 * 1024  # `writer.seal-often`
_HASH_EVERY = 64 * 1024  # bytes; kept in memory until then


def is_seal_due(unsealed: int) -> bool:
    """Is it time for a seal, after so many bytes without one?"""
    return unsealed > _SEAL_EVERY


class Seals:
    """Seals a file.

    Args:
        written: The hash of the file since its last seal.

    Attributes:
        written: The same.
    """

    def __init__(self, written: Written) -> None:
        self.written = written
        self._file = written.file
        #: From what size of the file on `keep_up` has something to do.
        self.next = self._file.size + _HASH_EVERY
        #: While a seal is being written: the number of its line among ours, and its place.
        self._new: tuple[int, int] | None = None

    @property
    def unsealed(self) -> int:
        """Bytes of the file since the last seal."""
        return self._file.size - self.written.start

    def keep_up(self) -> bool:
        """Hash what was written. Returns whether it is time for a seal."""
        self.next = self._file.size + _HASH_EVERY
        try:
            self.written.hash()
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
        digest = self.written.hash().copy()
        empty = line(seq, nanoseconds, event, b'{%b"from":%d,"sha256":""}' % (members, self.written.start), None, b"")
        head = empty.removesuffix(SUFFIX)
        digest.update(head)
        return head + digest.hexdigest().encode("ascii") + SUFFIX, self._file.size + len(head)

    def settle(self) -> None:
        """Put file and seals in order after an error, or an exception of a signal handler wherever it came."""
        self._file.settle()
        if self._new is not None:
            number, place = self._new
            if self._file.lines >= number:
                self.written.restart(place)
            self._new = None
