"""A ring buffer of records in memory that the logger process and the writer process share.

The logger process puts records at the head, and the writer process takes them at the tail. The memory outlives both:
records stay in it when the process that put them is killed. Nothing here waits, wakes a process or locks: each word has
one process that writes it, but for the size of the log, which the logger process writes only while the ring is empty.

Any process of the same user can write into this memory. So each of the two processes keeps its position in its own
memory too, and a record counts only if its checksum is right.
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

    from ..._disk.line_file import LineFile

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

#: Bytes for records. Each record takes eight bytes more than its length, rounded up to a multiple of eight.
SIZE = 512 * 1024

#: Bytes of the largest record.
LARGEST = SIZE // 4

# The indexes of the words, of eight bytes each. The logger process writes HEAD and CLOSING, either process writes
# _LOG_SIZE and its copy, and the writer process writes the others.
HEAD = 0  #: Total bytes put, at the last call of `settle`; there may be more.
TAIL = 1  #: Total bytes taken.
ERROR = 2  #: The error number of the last try to write; 0 if it succeeded.
UNSEALED = 3  #: Bytes of the log file since its last seal.
CLOSING = 4  #: 1: the logger process has put the last record.
READY = 5  #: 1: the writer process has started.
TRIES = 6  #: How many tries to write have failed in total.
_LOG_SIZE = 7  # `Ring.log_size`
_LOG_SIZE_INVERTED = 8  # the same with each bit inverted, to detect changes by other programs

#: The numbers that the system uses for errors.
ERRORS = range(1, 4096)

# The layout of the memory, as offsets: a page with the words and two digests, the records, and error output.
_DIGESTS = 1024, 1280  # `store_digest` uses them alternately
_DATA = 4096
_MESSAGES = _DATA + SIZE  # the standard error of the writer process
_MESSAGES_SIZE = 16 * 1024

#: Offset in the memory of the content of a record that is at position 0 of the ring: after its header.
SKIPPED = _DATA + 8

# The header of a record: its length, and the checksum of its content, which starts from the position of its end.
_header = Struct("=II")
pack_header = _header.pack_into
_WRAP = 2**32 - 1  # in a header, instead of a length: the next record is at the start of the ring

_digest = Struct("=QQ32s")  # start, end, SHA-256
_MASK = 2**64 - 1
_MAX_ERROR_LINE = 300  # characters


class Ring:
    """The ring buffer of a file descriptor.

    Args:
        fd: A descriptor from `Ring.make`. The caller closes it.
    """

    memory_size = _MESSAGES + _MESSAGES_SIZE

    def __init__(self, fd: int) -> None:
        # Without a copy of the descriptor, if Python can: a program may close descriptors that it doesn't know.
        options = {"trackfd": False} if sys.version_info >= (3, 13) else {}
        #: The whole memory.
        self.memory = mmap.mmap(fd, self.memory_size, **options)  # type: ignore[arg-type, unused-ignore]
        #: The words, by the indexes above.
        self.words = memoryview(self.memory)[:_DATA].cast("Q")
        #: Total bytes put, and total records put. They are one tuple, so that an exception of a signal handler can't
        #: leave only one of them updated.
        self.position = (0, 0)
        self._stored_digests = 0
        #: Total bytes up to which `put` can go without reading TAIL.
        self.limit = 0

    @staticmethod
    def make() -> int:
        """Create the memory of a ring, and return its descriptor.

        All pages exist, so that no call of `put` waits for one. `last_error_line` returns what is written to the
        descriptor.

        Raises:
            OSError: If there isn't enough memory, or a limit on the size of files forbids it.
        """
        if hasattr(os, "memfd_create"):
            fd = os.memfd_create("mlv-ring", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        else:
            import tempfile

            with tempfile.TemporaryFile() as file:
                fd = os.dup(file.fileno())
        try:
            # No second write after a short one: at a limit on the size of files, it would cause the signal SIGXFSZ.
            if (written := os.write(fd, bytes(Ring.memory_size))) < Ring.memory_size:
                raise OSError(errno.EFBIG, f"only {written} of {Ring.memory_size} bytes of shared memory are available")
            _fix_size(fd)
            os.lseek(fd, _MESSAGES, os.SEEK_SET)
        except BaseException:
            os.close(fd)
            raise
        return fd

    @property
    def log_size(self) -> int | None:
        """The size of the log file after the last write of mlvlogger; None if another program changed this value.

        The writer process writes the records of the ring to the file. While the ring is empty, the logger process may
        write to it.
        """
        size = self.words[_LOG_SIZE]
        return size if size ^ _MASK == self.words[_LOG_SIZE_INVERTED] else None

    @log_size.setter
    def log_size(self, size: int) -> None:
        self.words[_LOG_SIZE] = size
        self.words[_LOG_SIZE_INVERTED] = size ^ _MASK

    def apply_log_size(self, file: LineFile) -> None:
        """Set the size that the log file must have: the other process may have added lines.

        The logger process calls this method while the ring is empty.

        Args:
            file: The log file, as this process has it open.

        Raises:
            OSError: If another program changed `log_size`, and the file can't be inspected.
        """
        if (size := self.log_size) is None:
            file.refresh()
        else:
            file.position = (size, file.lines)

    def store_digest(self, start: int, end: int, sha256: bytes) -> None:
        """Store the digest of a range of the log file. Call it before `log_size` is set to the end of the range.

        The previous digest stays, for the case that the process is killed between these two steps.
        """
        text = _digest.pack(start, end, sha256)
        offset = _DIGESTS[self._stored_digests % 2]
        self.memory[offset : offset + len(text) + 4] = text + adler32(text).to_bytes(4, "little")
        self._stored_digests += 1

    def digest(self, start: int, end: int) -> bytes | None:
        """Return the stored digest of a range; None if there is none, or another program changed it."""
        for offset in _DIGESTS:
            text = self.memory[offset : offset + _digest.size]
            checksum = self.memory[offset + _digest.size : offset + _digest.size + 4]
            if adler32(text).to_bytes(4, "little") == checksum and _digest.unpack(text)[:2] == (start, end):
                return bytes(text[-32:])
        return None

    @property
    def is_empty(self) -> bool:
        """Whether the writer process has taken all records."""
        return self.words[TAIL] == self.position[0]

    def put(self, record: bytes) -> bool:
        """Put a record of at most `LARGEST` bytes. Return False, and do nothing, if there is no space.

        Raises:
            ValueError: If the ring is closed. A signal handler may fork at any moment, and the child closes the ring.
        """
        start, count = self.position
        length = len(record)
        end = start + (length + 15 & -8)
        if end > self.limit:
            start = self._find_space(start, end - start)
            if start < 0:
                return False
            end = start + (length + 15 & -8)
        offset = start % SIZE
        self._put_header(offset, length, adler32(record, end))
        self.memory[offset + SKIPPED : offset + SKIPPED + length] = record
        self.position = (end, count + 1)
        return True

    def _put_header(self, offset: int, length: int, checksum: int) -> None:
        try:
            pack_header(self.memory, offset + _DATA, length, checksum)
        except TypeError:  # other uses of closed memory raise a ValueError
            raise ValueError("the ring is closed") from None

    def settle(self) -> None:
        """Update HEAD, by which the writer process notices that records are damaged."""
        self.words[HEAD] = self.position[0]

    def _find_space(self, head: int, size: int) -> int:
        """Return where a record of *size* can begin without crossing the end of the ring; -1 if there is no space."""
        tail = self.words[TAIL]
        if not head - SIZE <= tail <= head:
            return -1  # another program changed TAIL; the writer process will correct it
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

    def records_from(self, start: int) -> Iterator[tuple[bytes, int]]:
        """Iterate over the records from position *start* on, each with its end, up to the first damaged one."""
        end = start
        while end < start + SIZE:
            offset = end % SIZE
            length, checksum = _header.unpack_from(self.memory, offset + _DATA)
            if length == _WRAP and checksum == adler32(b"", end):
                end += SIZE - offset
                continue
            if offset + 8 + length > SIZE:
                return
            end += length + 15 & -8
            record = self.memory[offset + SKIPPED : offset + SKIPPED + length]
            if adler32(record, end) != checksum:
                return
            yield record, end

    def intact_records(self) -> Iterator[bytes]:
        """Iterate over all intact records among the last `SIZE` bytes, in the process that put them.

        Some of them may have been taken long ago. TAIL and HEAD aren't read, and damaged bytes are skipped.
        """
        until = self.position[0]
        start = max(0, until - SIZE)
        while start < until:
            for record, end in self.records_from(start):
                start = end
                yield record
            start += 8

    def last_error_line(self) -> str:
        """Return the last line that the writer process wrote to its standard error, in printable ASCII."""
        text = self.memory[_MESSAGES:].partition(b"\0")[0].decode("ascii", "backslashreplace").rstrip()
        line = text.rpartition("\n")[2][:_MAX_ERROR_LINE]
        return "".join(char if char.isprintable() else "?" for char in line)

    def close(self) -> None:
        """Unmap the memory."""
        self.words.release()
        self.memory.close()


def _fix_size(fd: int) -> None:
    """Forbid to resize the memory, if the system can: a process that reads beyond its end is killed (SIGBUS)."""
    import fcntl

    seals = getattr(fcntl, "F_SEAL_SHRINK", 0) | getattr(fcntl, "F_SEAL_GROW", 0)
    if seals:
        try:
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
        except OSError:
            pass  # the memory is a temporary file
