"""A ring of records in memory that two processes share: one puts, the other takes.

It belongs to neither: what was put stays there when the process that put it is killed. No process waits in here or is
woken, and nothing is locked: each word has one process that writes it.

Any process of the same user can write into this memory. So each of the two keeps its own position for itself, and a
record counts only if its checksum is right.
"""

from __future__ import annotations

import errno
import mmap
import os
import sys
from struct import Struct
from zlib import adler32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "CLOSING",
    "ERROR",
    "ERRORS",
    "HEAD",
    "LARGEST",
    "READY",
    "SIZE",
    "SKIPPED",
    "TAIL",
    "TRIES",
    "UNSEALED",
    "Ring",
    "pack_header",
]

#: Bytes for records; each takes eight more, and a multiple of eight.
SIZE = 512 * 1024

#: Bytes of the largest record.
LARGEST = SIZE // 4

# The words, of eight bytes. HEAD and CLOSING are written by the process that puts, the others by the one that takes.
HEAD = 0  #: total bytes enqueued, at the last update; there may be more
TAIL = 1  #: total bytes dequeued
ERROR = 2  #: the error number with which the last try to write failed, 0 when it did not
UNSEALED = 3  #: bytes of the file since its last seal
CLOSING = 4  #: 1: nothing more is put
TRIES = 6  #: how many tries to write have failed in total
READY = 5  #: 1: the process that takes has begun
_LOG_SIZE = 7  # `Ring.log_size`
_LOG_SIZE_INVERTED = 8

#: What the system uses as error numbers.
ERRORS = range(1, 4096)

_MASK = 2**64 - 1
_DIGESTS = 1024, 1280  # in the page of the words: `note_digest`, in turn
_DATA = 4096  # the words have a separate page
_MESSAGES = _DATA + SIZE  # after the records: what the process that takes wrote to its standard error
_MESSAGES_SIZE = 16 * 1024

#: Bytes of the file before the record at place 0.
SKIPPED = _DATA + 8

# Before each record: its length, and the checksum of its bytes, which begins with the place where it ends.
_header = Struct("=II")
pack_header = _header.pack_into
_digest = Struct("=QQ32s")
_WRAP = 2**32 - 1  # instead of a length: the next record is at the start of the ring


class Ring:
    """The ring of a descriptor.

    Args:
        fd: As from `Ring.make`. It is not closed.
    """

    memory_size = _MESSAGES + _MESSAGES_SIZE

    def __init__(self, fd: int) -> None:
        #: The words, and from `_DATA` on the records.
        # Without a copy of the descriptor, if Python can: a program may close descriptors that it doesn't know.
        options = {"trackfd": False} if sys.version_info >= (3, 13) else {}
        self.memory = mmap.mmap(fd, self.memory_size, **options)  # type: ignore[arg-type, unused-ignore]
        #: The words above.
        self.words = memoryview(self.memory)[:_DATA].cast("Q")
        #: HEAD, and how many records were put. One tuple, so that a signal handler's exception cannot come in between.
        self.position = (0, 0)
        self._noted = 0  # digests, from the start
        self.limit = 0  #: up to which HEAD may go before TAIL must be read

    @staticmethod
    def make() -> int:
        """The descriptor of a new ring, all of whose pages exist: no call of `put` must wait for one.

        What is written to the descriptor is what `errors` returns. Raises OSError: there is not enough memory, or a
        limit on the size of files forbids it.
        """
        if hasattr(os, "memfd_create"):
            fd = os.memfd_create("mlv-ring", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        else:
            import tempfile

            with tempfile.TemporaryFile() as file:
                fd = os.dup(file.fileno())
        try:
            # Not again after a short write: at a limit on the size of files, that would be SIGXFSZ.
            if (written := os.write(fd, bytes(Ring.memory_size))) < Ring.memory_size:
                raise OSError(errno.EFBIG, f"only {written} of {Ring.memory_size} bytes of shared memory are available")
            _keep_size(fd)
            os.lseek(fd, _MESSAGES, os.SEEK_SET)
        except BaseException:
            os.close(fd)
            raise
        return fd

    @property
    def log_size(self) -> int | None:
        """The bytes that the file has, as its last writer left it; None if another process has changed this.

        Either process may write to the file: the one that takes, what is in the ring, and the other while it is empty.
        """
        size = self.words[_LOG_SIZE]
        return size if size ^ _MASK == self.words[_LOG_SIZE_INVERTED] else None

    @log_size.setter
    def log_size(self, size: int) -> None:
        self.words[_LOG_SIZE] = size
        self.words[_LOG_SIZE_INVERTED] = size ^ _MASK

    def note_digest(self, start: int, end: int, sha256: bytes) -> None:
        """Note the digest of a part of the file, before `log_size` says that the file ends there.

        The digest before stays, for whoever comes after a process that was killed in between.
        """
        text = _digest.pack(start, end, sha256)
        place = _DIGESTS[self._noted % 2]
        self.memory[place : place + len(text) + 4] = text + adler32(text).to_bytes(4, "little")
        self._noted += 1

    def digest(self, start: int, end: int) -> bytes | None:
        """Return the noted digest of a part of the file; None if there is none, or another program has changed it."""
        for place in _DIGESTS:
            text = self.memory[place : place + _digest.size]
            checksum = self.memory[place + _digest.size : place + _digest.size + 4]
            if adler32(text).to_bytes(4, "little") == checksum and _digest.unpack(text)[:2] == (start, end):
                return bytes(text[-32:])
        return None

    @property
    def is_empty(self) -> bool:
        """Was everything taken that was put?"""
        return self.words[TAIL] == self.position[0]

    def put(self, record: bytes) -> bool:
        """Put a record of at most `LARGEST` bytes. Returns False, and does nothing, if there is no space.

        Raises ValueError: the ring is closed. A signal handler may fork at any moment, and the child closes it.
        """
        start, count = self.position
        length = len(record)
        end = start + (length + 15 & -8)
        if end > self.limit:
            start = self._find_room(start, end - start)
            if start < 0:
                return False
            end = start + (length + 15 & -8)
        place = start % SIZE
        self._put_header(place, length, adler32(record, end))
        self.memory[place + SKIPPED : place + SKIPPED + length] = record
        self.position = (end, count + 1)
        return True

    def _put_header(self, place: int, length: int, checksum: int) -> None:
        try:
            pack_header(self.memory, place + _DATA, length, checksum)
        except TypeError:  # for other uses of closed memory, Python has a ValueError
            raise ValueError("the ring is closed") from None

    def settle(self) -> None:
        """Tell the other process how much was put, so that it knows if some of it is not there as it was put."""
        self.words[HEAD] = self.position[0]

    def _find_room(self, head: int, size: int) -> int:
        """Where a record of *size* can begin that does not cross the end of the ring, or -1."""
        tail = self.words[TAIL]
        if not head - SIZE <= tail <= head:
            return -1  # another process has written there; the writer process will correct it
        lap = head - head % SIZE + SIZE
        free = tail + SIZE
        start = head if head + size <= lap else lap
        if start + size > free:
            return -1
        if start != head:
            self._put_header(head % SIZE, _WRAP, adler32(b"", head))
            lap += SIZE
        self.limit = min(free, lap)
        return start

    def take(self, start: int) -> Iterator[tuple[bytes, int]]:
        """The records from *start* on, and where each ends, up to the first that is not there as it was put."""
        end = start
        while end < start + SIZE:
            place = end % SIZE
            length, checksum = _header.unpack_from(self.memory, place + _DATA)
            if length == _WRAP and checksum == adler32(b"", end):
                end += SIZE - place
                continue
            if place + 8 + length > SIZE:
                return
            end += length + 15 & -8
            record = self.memory[place + SKIPPED : place + SKIPPED + length]
            if adler32(record, end) != checksum:
                return
            yield record, end

    def find(self) -> Iterator[bytes]:
        """Every record that is as it was put, of the last `SIZE` bytes, for the process that put them.

        Some may have been taken long ago. TAIL and HEAD aren't read, and damage is left out.
        """
        until = self.position[0]
        start = max(0, until - SIZE)
        while start < until:
            for record, end in self.take(start):
                start = end
                yield record
            start += 8

    def errors(self) -> str:
        """The last line that the other process wrote to its standard error, in printable ASCII."""
        text = self.memory[_MESSAGES:].partition(b"\0")[0].decode("ascii", "backslashreplace").rstrip()
        line = text.rpartition("\n")[2][:_LONGEST]
        return "".join(char if char.isprintable() else "?" for char in line)

    def close(self) -> None:
        """Give the memory back."""
        self.words.release()
        self.memory.close()


_LONGEST = 300  # characters of a line that `errors` returns


def _keep_size(fd: int) -> None:
    """Prevent truncation of the memory, if the system can: a process that reads after its end is killed (SIGBUS)."""
    import fcntl

    seals = getattr(fcntl, "F_SEAL_SHRINK", 0) | getattr(fcntl, "F_SEAL_GROW", 0)
    if seals:
        try:
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
        except OSError:
            pass  # a file of a file system
