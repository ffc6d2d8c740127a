"""The seals of a stream: the lines that carry a digest of its bytes (specification 1.0, chapter Lifecycle)."""

from __future__ import annotations

from .._format.line import line
from .._format.seal import SUFFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .unsealed_hash import UnsealedHash

__all__ = ["Seals", "is_seal_due"]

_SEAL_EVERY = 64 * 1024 * 1024  # `writer.seal-often`
_HASH_EVERY = 64 * 1024  # bytes; kept in memory until then


def is_seal_due(unsealed_size: int) -> bool:
    """Is it time for a seal, after so many bytes without one?"""
    return unsealed_size > _SEAL_EVERY


class Seals:
    """Seals a file.

    Args:
        unsealed_hash: The hash of the file since its last seal.

    Attributes:
        unsealed_hash: The same.
    """

    def __init__(self, unsealed_hash: UnsealedHash) -> None:
        self.unsealed_hash = unsealed_hash
        self._file = unsealed_hash.file
        #: From what size of the file on `keep_up` has something to do.
        self.next = self._file.size + _HASH_EVERY
        #: While a seal is being written: the number of its line among ours, and its place.
        self._new: tuple[int, int] | None = None

    @property
    def unsealed_size(self) -> int:
        """Bytes of the file since the last seal."""
        return self._file.size - self.unsealed_hash.start

    def keep_up(self) -> bool:
        """Hash what was written. Returns whether it is time for a seal."""
        self.next = self._file.size + _HASH_EVERY
        try:
            self.unsealed_hash.update()
        except OSError:
            return False  # tried again later; no caller asked for a seal
        return is_seal_due(self.unsealed_size)

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
        digest = self.unsealed_hash.update().copy()
        data = b'{%b"from":%d,"sha256":""}' % (members, self.unsealed_hash.start)
        empty = line(seq, nanoseconds, event, data, None, b"")
        head = empty.removesuffix(SUFFIX)
        digest.update(head)
        return head + digest.hexdigest().encode("ascii") + SUFFIX, self._file.size + len(head)

    def settle(self) -> None:
        """Put file and seals in order after an error, or an exception of a signal handler wherever it came."""
        self._file.settle()
        if self._new is not None:
            number, place = self._new
            if self._file.lines >= number:
                self.unsealed_hash.restart(place)
            self._new = None
