"""The seals of a stream: the lines with a digest of the bytes before them (specification 1.0, chapter Lifecycle)."""

from __future__ import annotations

from .._format.line import line
from .._format.seal import SUFFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .unsealed_hash import UnsealedHash

__all__ = ["Seals", "is_seal_due"]

_SEAL_EVERY = 64 * 1024 * 1024  # `writer.seal-often`
_HASH_EVERY = 64 * 1024  # bytes, which are in memory until they are hashed


def is_seal_due(unsealed_size: int) -> bool:
    """Return whether it is time for a seal, after so many bytes without one."""
    return unsealed_size > _SEAL_EVERY


class Seals:
    """Writes the seals of a file.

    Args:
        unsealed_hash: The hash of the file since its last seal.

    Attributes:
        unsealed_hash: The same.
        next: The size of the file from which on `keep_up` has bytes to hash.
    """

    def __init__(self, unsealed_hash: UnsealedHash) -> None:
        self.unsealed_hash = unsealed_hash
        self._file = unsealed_hash.file
        self.next = self._file.size + _HASH_EVERY
        #: While a seal is being written: its number among the lines of this writer, and the offset of its digits.
        self._new: tuple[int, int] | None = None

    @property
    def unsealed_size(self) -> int:
        """Bytes of the file since the last seal."""
        return self._file.size - self.unsealed_hash.start

    def keep_up(self) -> bool:
        """Hash the new bytes, and return whether it is time for a seal."""
        self.next = self._file.size + _HASH_EVERY
        try:
            self.unsealed_hash.update()
        except OSError:
            return False  # tried again later; no caller asked for a seal
        return is_seal_due(self.unsealed_size)

    def write(self, seq: int, nanoseconds: int, event: bytes, members: bytes) -> None:
        """Write a seal (`seal.digest`).

        Args:
            seq: The seq.
            nanoseconds: The time, since 1970 in UTC.
            event: The name as JSON text, with quotes.
            members: The members of its data before `from` and `sha256`, as JSON text with a comma after each.

        Raises:
            OSError: If the seal isn't written. If a part of it is written, the part is cut off before the next line.
        """
        self.settle()
        text, offset = self.line(seq, nanoseconds, event, members)
        self._new = (self._file.lines + 1, offset)
        self._file.write(text)
        self.settle()

    def line(self, seq: int, nanoseconds: int, event: bytes, members: bytes) -> tuple[bytes, int]:
        """Return the line of a seal at the end of the file, and the offset of its digits. Arguments as for `write`."""
        digest = self.unsealed_hash.update().copy()
        data = b'{%b"from":%d,"sha256":""}' % (members, self.unsealed_hash.start)
        empty = line(seq, nanoseconds, event, data, None, b"")
        head = empty.removesuffix(SUFFIX)
        digest.update(head)
        return head + digest.hexdigest().encode("ascii") + SUFFIX, self._file.size + len(head)

    def settle(self) -> None:
        """Repair the file and the hash after an error, or after an exception of a signal handler at any point."""
        self._file.settle()
        if self._new is not None:
            number, offset = self._new
            if self._file.lines >= number:
                self.unsealed_hash.restart(offset)
            self._new = None
