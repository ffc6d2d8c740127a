"""A ring of records in memory that two processes share: one puts, the other takes.

It belongs to neither: what was put stays there when the process that put it is killed. Nobody waits in here, nobody is
woken, and nothing is locked: each word has one process that writes it.
"""

from __future__ import annotations

import mmap
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CLOSING", "ERROR", "HEAD", "READY", "SIZE", "TAIL", "TRIES", "UNSEALED", "Ring"]

#: Bytes for records; each takes eight more, and a multiple of eight.
SIZE = 512 * 1024

# The words, of eight bytes. HEAD and CLOSING are written by the process that puts, the others by the one that takes.
HEAD = 0  #: bytes put, since ever
TAIL = 1  #: bytes taken, since ever
ERROR = 2  #: the error number with which the last try to write failed, 0 when it did not
UNSEALED = 3  #: bytes of the file since its last seal
CLOSING = 4  #: 1: nothing more is put
TRIES = 6  #: how many tries to write have failed, since ever
READY = 5  #: 1: the process that takes has begun

_DATA = 4096  # the words have a page of their own
_SKIP = 2**63  # in the place of a record's length: the next record begins at the begin of the ring


class Ring:
    """The ring behind a descriptor.

    Args:
        fd: Of a file of at least `Ring.file_size` bytes, zeros at first. It is not closed.
    """

    file_size = _DATA + SIZE

    def __init__(self, fd: int) -> None:
        self._memory = mmap.mmap(fd, self.file_size)
        #: The words above.
        self.words = memoryview(self._memory)[:_DATA].cast("Q")
        self._lengths = memoryview(self._memory)[_DATA:].cast("Q")
        #: HEAD, and how many records were put. One tuple, so that a signal handler's exception cannot come in between.
        self.position = (0, 0)
        self._limit = 0  # up to which HEAD may go before we have to look

    @staticmethod
    def make() -> int:
        """The descriptor of a new ring, all of whose pages are there: no call of `put` has to wait for one."""
        if hasattr(os, "memfd_create"):
            fd = os.memfd_create("mlv-ring")
        else:
            import tempfile

            with tempfile.TemporaryFile() as file:
                fd = os.dup(file.fileno())
        try:
            os.write(fd, bytes(Ring.file_size))
        except BaseException:
            os.close(fd)
            raise
        return fd

    @property
    def is_empty(self) -> bool:
        """Was everything taken that was put?"""
        return self.words[TAIL] == self.position[0]

    def put(self, record: bytes) -> bool:
        """Put a record of at most a quarter of `SIZE`. Returns False, and does nothing, where there is no room."""
        start, count = self.position
        length = len(record)
        end = start + (length + 15 & -8)
        if end > self._limit:
            start = self._find_room(start, end - start)
            if start < 0:
                return False
            end = start + (length + 15 & -8)
        place = start % SIZE
        self._lengths[place >> 3] = length
        place += _DATA + 8
        self._memory[place : place + length] = record
        self.position = (end, count + 1)
        self.words[HEAD] = end  # now the other process sees it
        return True

    def settle(self) -> None:
        """After an exception of a signal handler: a record that is in the ring and counted is shown, too."""
        self.words[HEAD] = self.position[0]

    def _find_room(self, head: int, size: int) -> int:
        """Where a record of *size* can begin that does not cross the end of the ring, or -1."""
        lap = head - head % SIZE + SIZE
        free = self.words[TAIL] + SIZE
        start = head if head + size <= lap else lap
        if start + size > free:
            return -1
        if start != head:
            self._lengths[head % SIZE >> 3] = _SKIP
            lap += SIZE
        self._limit = min(free, lap)
        return start

    def take(self, until: int) -> Iterator[tuple[bytes, int]]:
        """The records from TAIL up to *until*, and where each ends: what TAIL becomes when it need not be kept."""
        end = self.words[TAIL]
        while end < until:
            place = end % SIZE
            length = self._lengths[place >> 3]
            if length == _SKIP:
                end += SIZE - place
                continue
            end += length + 15 & -8
            place += _DATA + 8
            yield self._memory[place : place + length], end

    def close(self) -> None:
        """Give the memory back."""
        self.words.release()
        self._lengths.release()
        self._memory.close()
