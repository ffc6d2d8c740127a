"""The process writer: the logger process puts events into shared memory, and the writer process writes the file.

The logger process doesn't wait for the disk until the ring is full. The writer process outlives the logger process, and
exits when it has written everything. If it ends earlier, the logger process writes the remaining events.

`Writer` has the contract of the methods.
"""

from __future__ import annotations

import os
import time
from marshal import dumps
from zlib import adler32

from ..._disk.line_file import FileChanged
from ..._format.line import Pending, are_json_numbers, line, with_special
from ..seals import is_seal_due
from ..unsealed_hash import UnsealedHash
from ..writer import put
from .child import WriterProcess
from .progress import Progress
from .records import pack
from .ring import CLOSING, LARGEST, READY, SIZE, SKIPPED, TAIL, UNSEALED, Ring, pack_header
from .takeover import Takeover
from .unwritten import describe_unwritten, unwritten

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..._disk.line_file import LineFile
    from ..._format.line import Numbered, Numbers
    from ..direct import DirectWriter

__all__ = ["ProcessWriter"]

_PROCESS_CHECK_INTERVAL = 50_000_000  # nanoseconds after which an event checks the writer process
_FILE_CHECK_INTERVAL = 1_000_000_000  # nanoseconds after which an event compares the file with the one at its path
_START_TIMEOUT = 30.0  # seconds within which the writer process must begin
_SHORT = 1000  # bytes of a record that is put without a check of its values: the writer process checks them


class ProcessWriter:
    """A writer that starts a writer process and passes the events to it.

    Args:
        unsealed_hash: The hash of the file since its last seal. The file belongs to the writer from now on.
        seq: The seq of the last event in the file; 0 if it is empty.

    Raises:
        Exception: If the writer process can't be started: an OSError, a MemoryError or another one. The file is
            unchanged, and nothing is left open.
    """

    syncs_events = False

    def __init__(self, unsealed_hash: UnsealedHash, seq: int) -> None:
        self._file = file = unsealed_hash.file
        #: Writes the events after the writer process has ended.
        self._successor: DirectWriter | None = None
        #: As in `DirectWriter`. A line is a record of the ring, or a line that the logger process wrote itself.
        self._numbering: tuple[int, tuple[int, int] | None] = (seq - file.lines, None)
        self._base = seq  # the seq before the first record of the ring, plus the lines of the logger process
        self.is_seal_due: bool = False
        self._last_seal = 0  # total bytes put into the ring after the last seal
        self._checked_at = self._next_check = 0  # of the writer process, in nanoseconds since 1970
        #: Whether the writer process hasn't begun. Until then the logger process writes the events itself: if both were
        #: killed, records in the ring would be lost. Meanwhile, `_next_check` is 0.
        self._is_starting = True
        self._started_at = time.monotonic()
        self._file_checked_at = 0  # nanoseconds since 1970
        self._is_writing = False  # whether the logger process is writing a line, which `Ring.log_size` may not include
        self._closed = False
        unsealed_hash.update()  # before there is anything to undo: the call may import a module
        fd = Ring.make()
        try:
            self._ring = Ring(fd)
            self._ring.log_size = file.size
            self._takeover = Takeover(file, self._ring)
            self._process = WriterProcess(self._ring)
            self._progress = Progress(self._ring, self._process, self._takeover)
            try:
                assert file.lock is not None
                self._process.start(fd, file.fd, unsealed_hash.start, file.lock)
            except BaseException:
                self._process.undo_start()
                self._ring.close()
                raise
        finally:
            os.close(fd)
        #: The hash of the lines that the logger process wrote and has not reported yet: see `_put_slow`.
        self._direct_hash: UnsealedHash | None = unsealed_hash
        self._reported_range = unsealed_hash.digest()  # the last report of such lines

    @property
    def file(self) -> LineFile:
        """As in `Writer`."""
        return self._file if self._successor is None else self._successor.file

    @property
    def _lines(self) -> int:
        return self._ring.position[1] + self._file.lines

    @property
    def seq(self) -> int:
        """As in `Writer`."""
        if self._successor is not None:
            return self._successor.seq
        base, gap = self._numbering
        return base + self._lines + (gap[1] if gap is not None and self._lines >= gap[0] else 0)

    def settle(self) -> None:
        """As in `Writer`."""
        if self._successor is not None:
            self._successor.settle()
            return
        self._ring.settle()
        self._file.settle()
        if self._is_writing:
            self._ring.log_size = self._file.size
            self._is_writing = False
        base, gap = self._numbering
        if gap is not None:
            base += gap[1] if self._lines >= gap[0] else 0
            self._numbering = (base, None)
        self._base = base + self._file.lines

    def put(
        self,
        nanoseconds: int,
        name: bytes,
        data: bytes,
        values: Numbers | None,
        span_members: bytes | None,
        skip: int = 0,
    ) -> int:
        """As in `Writer`: put the event into the ring, and wait while there is no space.

        For a seal, *span_members* is None.

        Raises:
            OSError: If the writer process can't write, or makes no progress for some seconds. The event isn't put.
        """
        ring = self._ring
        if skip or not self._checked_at <= nanoseconds < self._next_check:
            self._check_process(nanoseconds)
            event, is_seal = Pending(name, data, values, span_members or b""), span_members is None
            if self._successor is not None:
                return _put_directly(self._successor, nanoseconds, event, is_seal, skip)
            if skip:
                self._next_check = 0  # the next event calls `settle`, which updates the base
                self._numbering = (self._numbering[0], (self._lines + 1, skip))
            if self._is_starting and span_members is not None and ring.is_empty:
                seq = self._base + ring.position[1] + skip + 1
                self._write_directly(line(seq, nanoseconds, name, data, values, span_members))
                return seq
            if self._direct_hash is not None:
                seq = self._base + ring.position[1] + skip + 1
                return self._put_slow(seq, nanoseconds, event, is_seal, skip)
        start, count = ring.position
        count += 1
        seq = self._base + count + skip
        record = dumps((seq, nanoseconds, name, data, values, span_members), 2)  # as `pack`
        length = len(record)
        end = start + (length + 15 & -8)
        if length <= _SHORT:
            if end <= ring.limit:  # the same as `Ring.put`; the call would take a tenth of the time
                offset = start % SIZE + SKIPPED
                try:
                    pack_header(ring.memory, offset - 8, length, adler32(record, end))
                except TypeError:
                    raise ValueError("the ring is closed") from None
                ring.memory[offset : offset + length] = record
                ring.position = (end, count)
                return seq
            if ring.put(record):
                return seq
        event = Pending(name, data, values, span_members or b"")
        return self._put_slow(seq, nanoseconds, event, span_members is None, skip)

    def _put_slow(self, seq: int, nanoseconds: int, event: Pending, is_seal: bool, skip: int) -> int:
        """Put an event of any size, and report the lines that the logger process wrote before it."""
        if event.values is not None and not are_json_numbers(event.values):  # a warning may be due
            event = Pending(event.name, with_special(event.data, event.values), None, event.span_members)
        direct_range: tuple[int, bytes] | tuple[()] = ()
        if self._direct_hash is not None:
            self._reported_range = start, _, digest = self._direct_hash.digest()
            direct_range = start, digest
        record = pack(seq, nanoseconds, event, is_seal, direct_range)
        if len(record) <= LARGEST:
            self._wait(lambda: self._ring.put(record))
            if self._successor is None:
                self._direct_hash = self._file.recent = None
        else:
            self._drain()
            if is_seal and self._successor is None:
                if not self._process.stop():
                    self._progress.raise_timeout()
                self._take_over()
        if self._successor is not None:
            return _put_directly(self._successor, nanoseconds, event, is_seal, skip)
        if len(record) > LARGEST:
            self._write_directly(event.render(seq, nanoseconds))
        words = self._ring.words
        self.is_seal_due = words[TAIL] >= self._last_seal and is_seal_due(words[UNSEALED])
        return seq

    def _write_directly(self, line: bytes) -> None:
        """Write a line in the logger process, while the ring is empty."""
        self._next_check = 0  # the next event calls `settle`, which updates the base
        self.settle()
        if self._direct_hash is not None:
            self._direct_hash.update()
        self._ring.apply_log_size(self._file)
        if self._direct_hash is None or self._direct_hash.end != self._file.size:
            self._direct_hash = UnsealedHash(self._file, self._file.size)
        self._is_writing = True
        self._file.write(line)
        self._ring.log_size = self._file.size
        self._is_writing = False

    def check(self, nanoseconds: int = 0) -> None:
        """As in `Writer`. The size is compared only while the ring is empty, and by the writer process."""
        if self._takeover.changed is not None:
            raise self._takeover.changed
        if self._successor is not None:
            self._successor.check(nanoseconds)
            return
        is_empty = self._ring.is_empty
        if is_empty:
            self._ring.apply_log_size(self._file)
        self._file.check(size=is_empty)
        self._file_checked_at = nanoseconds

    def hand_over(self) -> tuple[UnsealedHash, int, list[Numbered]]:
        """Stop the writer process, because the file isn't the one at its path any more.

        Returns:
            The hash of the file since its last seal, the seq of its last line, and the events that aren't in the file:
            if another program has changed the file, those that the writer process has not written.
        """
        if self._successor is None and self._takeover.changed is None:
            if not self._process.stop():
                self._process.kill()
            try:
                self._take_over()
            except FileChanged:
                pass
        waiting: list[Numbered] = []
        if self._successor is not None:
            unsealed_hash, seq = self._successor.unsealed_hash, self._successor.seq
        else:
            seq, waiting = unwritten(self._ring, self.seq)
            unsealed_hash = UnsealedHash(self._file, 0)
            self._ring.apply_log_size(self._file)
        self._closed = True
        file = unsealed_hash.file
        for other in (self._file, self._takeover.file):
            if other is not None and other is not file:
                other.abandon()
        file.adopt_path(self._file)
        self._process.close_wake_pipe()
        self._ring.close()
        return unsealed_hash, seq, waiting

    def seal(self, nanoseconds: int, name: bytes, members: bytes) -> int:
        """As in `Writer`."""
        seq = self.put(nanoseconds, name, members, None, None)
        self._last_seal = self._ring.position[0]
        self.is_seal_due = False
        return seq

    def _check_process(self, nanoseconds: int) -> None:
        """Check the writer process, and at longer intervals the file, and update the base of the seqs.

        Raises:
            OSError: If the writer process can't write or makes no progress, or the file was changed.
        """
        self.settle()
        if self._successor is not None:
            return
        if self._process.has_ended():
            self._take_over_with_warning()
            return
        self._is_starting = self._is_starting and not self._ring.words[READY]
        if self._is_starting and time.monotonic() - self._started_at > _START_TIMEOUT:
            self._started_at = time.monotonic()
            if self._process.kill():
                self._take_over_with_warning()
                return
        self._progress.check()
        if not 0 <= nanoseconds - self._file_checked_at < _FILE_CHECK_INTERVAL:
            self.check(nanoseconds)
        if not self._is_starting:
            self._checked_at, self._next_check = nanoseconds, nanoseconds + _PROCESS_CHECK_INTERVAL

    def _wait(self, is_done: Callable[[], bool]) -> None:
        """Wait until *is_done* returns True, or until the logger process has taken over.

        Raises:
            OSError: As `put`.
        """
        if not self._progress.wait(is_done):
            self._take_over_with_warning()

    def _take_over_with_warning(self) -> None:
        """Take over from a writer process that ended unexpectedly."""
        if self._takeover.changed is not None:
            raise self._takeover.changed
        self._take_over()
        self._process.warn_of_end(self._file.path, self._takeover.lost)

    def _take_over(self) -> None:
        """Write the events that the writer process has not written, and write directly from now on.

        Call this after the writer process has ended.

        Raises:
            OSError: If the system refuses.
        """
        self.settle()
        direct_range = self._reported_range if self._direct_hash is None else self._direct_hash.digest()
        self._successor = self._takeover.run(self.seq, direct_range)
        self._next_check = 0  # so that `put` passes each event to the successor

    def drain(self) -> None:
        """As in `Writer`. The message of the OSError names the events that aren't in the file."""
        try:
            self._drain()
        except FileChanged:
            raise
        except OSError as error:
            text = describe_unwritten(self._ring, self._takeover.last_seq, self.seq)
            raise OSError(error.errno, f"{error.strerror}{text}") from error

    def _drain(self) -> None:
        self.settle()
        if self._successor is None:
            self._process.wake()
            self._wait(lambda: self._ring.is_empty)

    def sync(self) -> None:
        """As in `Writer`."""
        self.drain()
        self._file.sync()

    def close(self) -> None:
        """As in `Writer`. If events could not be written yet, the writer process retries for a minute.

        Raises:
            OSError: If the writer process has ended, and the logger process can't write the remaining events.
        """
        if self._closed:
            self.abandon()
            return
        self._ring.settle()
        self._ring.words[CLOSING] = 1  # first: an exception of a signal handler may come from here on
        try:
            if self._successor is None and self._process.stop() and not self._ring.is_empty:
                self._take_over_with_warning()
            if self._successor is not None:
                self._successor.close()
        finally:
            if self._file.lock is not None:
                self._file.lock.release(self._process.has_ended())
            self.abandon()

    def abandon(self) -> None:
        """As in `Writer`: the writer process continues to work for the parent."""
        self._closed = True
        # Each step can be repeated, if an exception of a signal handler came before the next one.
        for file in (self._file, self._successor, self._takeover.file):
            if file is not None:
                file.abandon()
        self._process.close_wake_pipe()
        self._ring.close()

    def __del__(self) -> None:
        # A writer that was dropped without `close`: the writer process writes the remaining events and exits.
        if not getattr(self, "_closed", True) and hasattr(getattr(self, "_process", None), "pid"):
            self._process.stop_without_waiting()
            self.abandon()


def _put_directly(writer: DirectWriter, nanoseconds: int, event: Pending, is_seal: bool, skip: int) -> int:
    if is_seal:
        return writer.seal(nanoseconds, event.name, event.data)
    return put(writer, nanoseconds, event, skip)
