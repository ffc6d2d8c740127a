"""The hash of a part of a stream: of the bytes that were written, whatever the file has by now."""

from __future__ import annotations

from .._disk.blocks import CHUNK
from .._disk.line_file import FileChanged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._disk.line_file import LineFile

__all__ = ["Written", "new_digest"]


def new_digest() -> Any:
    """Return an empty SHA-256. The first call imports what it needs."""
    global _sha256
    if _sha256 is None:
        from hashlib import sha256  # takes milliseconds, which not every program should pay

        _sha256 = sha256
    return _sha256()


_sha256: Any = None


class Written:
    """The hash of a file from a place on. What is written from now on is hashed from memory.

    Bytes that another session or process has written are read from the file once, by `read`.

    Args:
        file: The file.
        start: Where the hash begins: after an open, where the digits of the last seal begin, 0 without one.

    Attributes:
        file: The file.
    """

    def __init__(self, file: LineFile, start: int) -> None:
        self.file = file
        file.recent = []
        #: Where the hash begins, up to where it goes, and the hash of the bytes between the two. What belongs together
        #: is one tuple, so that an exception of a signal handler cannot come in between.
        self._state: tuple[int, int, Any] = (start, start, None)

    @property
    def start(self) -> int:
        """Where the hash begins."""
        return self._state[0]

    @property
    def end(self) -> int:
        """Up to where the hash goes."""
        return self._state[1]

    def restart(self, start: int) -> None:
        """Begin at another place, after everything that was hashed."""
        self._state = (start, start, None)

    def hash(self) -> Any:
        """Hash what was written since the last call, and return the hash. Call `LineFile.settle` before.

        Raises:
            OSError: If the file has further bytes, which can't be read.
        """
        start, end, digest = self._state
        recent = self.file.recent
        recent = [] if recent is None else recent
        data = b"".join(recent)
        known = self.file.size - len(data)
        if known > end:  # another writer has written and not reported what
            recent.clear()
            self.read(self.file.size)
            return self._state[2]
        digest = new_digest() if digest is None else digest.copy()
        digest.update(data[end - known :])  # all of it, unless an exception came between the next two lines
        self._state = (start, self.file.size, digest)
        recent.clear()
        return digest

    def part(self) -> tuple[int, int, bytes]:
        """Return where the hash begins, where it ends, and the digest: for another process. Raises as `hash`."""
        digest = self.hash()
        return self._state[0], self._state[1], digest.digest()

    def read(self, end: int, sha256: bytes | None = None) -> None:
        """Hash the bytes of the file up to *end*.

        Args:
            end: A place after all that was hashed, and before all that waits to be.
            sha256: What the writer of these bytes says that their digest is. If the file has other bytes, it was
                edited: the hash fits no file from then on, so that the next seal shows it.

        Raises:
            OSError: If they can't be read. Nothing was hashed.
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

    def read_part(self, start: int, sha256: bytes) -> None:
        """Hash the rest of the file, of which another process has written the part from *start* on.

        A second call for the same part does nothing, nor does one if the part can't be read: `hash` tries that again.

        Args:
            start: Where the part begins.
            sha256: Its digest, as in `read`.
        """
        if start >= self._state[1]:
            try:
                self.read(start)
                self.read(self.file.size, sha256)
            except OSError:
                pass

    def in_copy(self, file: LineFile) -> Written:
        """Return the same for a copy of the file, whatever the copy has. Raises as `hash`."""
        self.hash()
        copy = Written(file, self.start)
        copy._state = self._state
        return copy
