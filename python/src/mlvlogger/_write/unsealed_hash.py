"""The hash of the bytes of a stream that no seal covers yet (specification 1.0, `seal.digest`).

It covers the bytes that mlvlogger wrote, even if another program has changed them in the file since then: the next seal
then shows the change.
"""

from __future__ import annotations

from .._disk.blocks import CHUNK
from .._disk.line_file import FileChanged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._disk.line_file import LineFile

__all__ = ["UnsealedHash", "new_digest"]

_sha256: Any = None


def new_digest() -> Any:
    """Return an empty SHA-256. The first call imports hashlib."""
    global _sha256
    if _sha256 is None:
        from hashlib import sha256  # takes milliseconds, which only programs that need it should pay

        _sha256 = sha256
    return _sha256()


class UnsealedHash:
    """The hash of a file from an offset on.

    Lines that are written from now on are hashed from memory. Bytes that an earlier session or another process wrote
    are read from the file, once.

    Args:
        file: The file.
        start: The offset at which the hash begins: where the digits of the last seal begin; 0 without a seal.

    Attributes:
        file: The file.
    """

    def __init__(self, file: LineFile, start: int) -> None:
        self.file: LineFile = file
        file.recent = []
        #: The offsets at which the hash begins and ends, and the hash of the bytes between them. They are one tuple, so
        #: that an exception of a signal handler can't leave only some of them updated.
        self._state: tuple[int, int, Any] = (start, start, None)

    @property
    def start(self) -> int:
        """The offset at which the hash begins."""
        return self._state[0]

    @property
    def end(self) -> int:
        """The offset up to which bytes are hashed."""
        return self._state[1]

    def restart(self, start: int) -> None:
        """Begin again at another offset, after all bytes that were hashed."""
        self._state = (start, start, None)

    def update(self) -> Any:
        """Hash the bytes that were written since the last call, and return the hash.

        Call `LineFile.settle` before.

        Raises:
            OSError: If the file has bytes that another process wrote, and that can't be read.
        """
        start, end, digest = self._state
        recent = self.file.recent
        recent = [] if recent is None else recent
        data = b"".join(recent)
        known = self.file.size - len(data)
        if known > end:  # another process wrote the bytes between, so they aren't in memory
            recent.clear()
            self.read(self.file.size)
            return self._state[2]
        digest = new_digest() if digest is None else digest.copy()
        # `end` is before `known` only if an exception came between the next two lines in an earlier call.
        digest.update(data[end - known :])
        self._state = (start, self.file.size, digest)
        recent.clear()
        return digest

    def digest(self) -> tuple[int, int, bytes]:
        """Return the offsets at which the hash begins and ends, and its digest, to send them to another process.

        Raises:
            OSError: As `update`.
        """
        digest = self.update()
        return self._state[0], self._state[1], digest.digest()

    def read(self, end: int, sha256: bytes | None = None) -> None:
        """Hash the bytes of the file up to *end*.

        Args:
            end: An offset after all hashed bytes, and before all bytes in memory that aren't hashed yet.
            sha256: The digest of these bytes, from the process that wrote them. If the bytes in the file have another
                digest, another program has edited them. From then on the hash is wrong on purpose, so that the next
                seal shows the edit.

        Raises:
            OSError: If the bytes can't be read. The hash is unchanged.
        """
        start, hashed, digest = self._state
        if hashed == end:
            return
        digest = new_digest() if digest is None else digest.copy()
        found = new_digest()
        while hashed < end:
            chunk = self.file.read(min(CHUNK, end - hashed), hashed)
            if not chunk:
                raise FileChanged("truncated")
            digest.update(chunk)
            if sha256 is not None:
                found.update(chunk)
            hashed += len(chunk)
        if sha256 not in (None, found.digest()):
            digest.update(b"edited")
        self._state = (start, hashed, digest)

    def read_rest(self, start: int, sha256: bytes) -> None:
        """Hash the rest of the file, whose bytes from *start* on another process wrote.

        If these bytes are hashed already, nothing happens. If they can't be read, `update` tries again.

        Args:
            start: The offset of the first byte that the other process wrote.
            sha256: The digest of the bytes from *start* on, as in `read`.
        """
        if start >= self._state[1]:
            try:
                self.read(start)
                self.read(self.file.size, sha256)
            except OSError:
                pass

    def for_copy(self, file: LineFile) -> UnsealedHash:
        """Return the same hash for a copy of the file, whatever bytes the copy has.

        Raises:
            OSError: As `update`.
        """
        self.update()
        copy = UnsealedHash(file, self.start)
        copy._state = self._state
        return copy
