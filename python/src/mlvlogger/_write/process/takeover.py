"""Takes over from a writer process that has ended: writes the records that are in the ring and not in the file."""

from __future__ import annotations

import errno
import os
import time

from ..._disk.line_file import FileChanged, LineFile
from ..._format.lifecycle import DROPPED, SEAL, dropped_data, first_dropped
from ..._format.line import line
from ..._format.seal import SEAL_END
from ..direct import DirectWriter
from ..recovery import scan_file
from ..seals import Seals
from ..unsealed_hash import UnsealedHash
from .records import unpack
from .ring import Ring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Takeover"]


class Takeover:
    """The takeover of a log file by the logger process, which may need several tries.

    Args:
        file: The log file of the logger process.
        ring: The ring.

    Attributes:
        lost: The seqs of events that could not be found in the ring.
        has_refused: Whether an event could not be put into the ring. If so, events may wait in memory whose seqs follow
            the last one of the ring.
        changed: The error if another program has changed the file: nothing more is written to it.
    """

    def __init__(self, file: LineFile, ring: Ring) -> None:
        self._file = file
        self._ring = ring
        #: The file, once it is taken over, its seals, and the seq of its last line.
        self._progress: tuple[LineFile, Seals, int] | None = None
        self.lost: list[int] = []
        self.has_refused = False
        self.changed: FileChanged | None = None

    @property
    def file(self) -> LineFile | None:
        """The file, once it is taken over."""
        return None if self._progress is None else self._progress[0]

    @property
    def last_seq(self) -> int:
        """The seq of the last line in the file, once it is taken over; 0 before."""
        return 0 if self._progress is None else self._progress[2]

    def run(self, seq: int, direct_range: tuple[int, int, bytes]) -> DirectWriter:
        """Write the records that aren't in the file, and return the writer that continues.

        After an exception, call this again: it continues where it stopped.

        Args:
            seq: The seq of the last event that was put into the ring.
            direct_range: The part of the file that the logger process itself wrote last (`UnsealedHash.digest`).

        Raises:
            FileChanged: If another program has changed the file.
            OSError: If the system refuses.
        """
        try:
            if self._progress is None:
                self._progress = self._take_file(direct_range)
            file, seals, last = self._progress
            for record in self._ring.intact_records():
                number, nanoseconds, event, is_seal = unpack(record)
                if number <= last:
                    continue
                # The seqs that an mlv/dropped leaves out aren't lost in the ring.
                first = first_dropped(event.data) if event.name == DROPPED else number
                if first > last + 1:
                    self._record_lost(file, seals, range(last + 1, first), first - 1)
                if is_seal:
                    seals.write(number, nanoseconds, event.name, event.data)
                else:
                    file.write(event.render(number, nanoseconds))
                last = number
                self._progress = file, seals, last
            if last < seq:
                # Events that wait in memory may have the seqs after these.
                following = seq if self.has_refused else seq + 1
                self._record_lost(file, seals, range(last + 1, seq + 1), following)
                last = following
            return DirectWriter(seals.unsealed_hash, last)
        except FileChanged as change:
            self.changed = change
            raise
        except (OSError, MemoryError) as error:
            self.has_refused = True
            if self._progress is not None:
                self._progress[1].settle()
            if isinstance(error, MemoryError):
                raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)) from error
            raise
        except BaseException:
            # A signal handler may raise after a write and before `_progress` is updated: read the file again.
            self._progress = None
            raise

    def _take_file(self, direct_range: tuple[int, int, bytes]) -> tuple[LineFile, Seals, int]:
        """Return the file as the writer process left it, its seals, and the seq of its last line.

        Raises:
            FileChanged: If another program has changed the file.
            OSError: If the system refuses.
        """
        if self._file.lock is not None and not self._file.lock.check():
            raise FileChanged("taken over")
        try:
            file = LineFile.from_descriptor(os.dup(self._file.fd), self._file.path)
        except OSError as error:
            raise FileChanged("closed") if error.errno == errno.EBADF else error from None
        try:
            if file.identity != self._file.identity:
                raise FileChanged("closed")
            log_size = self._ring.log_size
            with file.reader() as stream:
                state = scan_file(stream, log_size)
            if log_size is None:
                if state.size < file.size:
                    file.truncate(state.size)
                file.adopt_path(self._file)
                return file, Seals(UnsealedHash(file, state.hash_start)), state.seq
            # The writer process may have been killed after a write and before it updated `log_size`. Then the bytes
            # after `log_size` must be the lines of the next records.
            has_more = file.size != log_size
            file.position = (log_size, 0)
            seals = Seals(self._find_hash(file, state.hash_start, direct_range))
            if has_more:
                for expected, is_seal in self._next_lines(state.seq, seals):
                    file.pending = expected
                    file.settle()
                    state.seq += file.lines
                    if is_seal and file.lines:
                        seals.unsealed_hash.restart(file.size - SEAL_END)
                file.check()
            file.adopt_path(self._file)  # so that it is compared with the file at its path
            return file, seals, state.seq
        except BaseException:
            file.abandon()
            raise

    def _find_hash(self, file: LineFile, hash_start: int, direct_range: tuple[int, int, bytes]) -> UnsealedHash:
        """Return the hash of the bytes that the two processes wrote since the last seal.

        Raises:
            OSError: If the file can't be read.
        """
        found = UnsealedHash(file, hash_start)
        start, end, sha256 = direct_range
        if end != file.size:  # the writer process wrote after this range, and its digest covers the range
            start = file.size
        if (digest := self._ring.digest(hash_start, start)) is not None:
            found.read(start, digest)
        if start < file.size:
            found.read_rest(start, sha256)
        return found

    def _next_lines(self, last: int, seals: Seals) -> Iterator[tuple[bytes, bool]]:
        """Iterate over the bytes that the writer process writes in one call after the seq *last*: lines, or a seal.

        Yields:
            The bytes, and whether they are a seal.
        """
        lines = b""
        for record in self._ring.intact_records():
            seq, nanoseconds, event, is_seal = unpack(record)
            if seq <= last:
                continue
            if is_seal and not lines:
                yield seals.line(seq, nanoseconds, event.name, event.data)[0], True
                return
            if is_seal:
                break
            lines += event.render(seq, nanoseconds)
        if lines:
            yield lines, False

    def _record_lost(self, file: LineFile, seals: Seals, lost: range, seq: int) -> None:
        """Write an event with this *seq* that accounts for the seqs of *lost* events before it.

        Raises:
            OSError: If the system refuses.
        """
        if lost[0] < seq:
            data = dropped_data(lost[0], seq - 1, {"shared memory was changed": seq - lost[0]})
            file.write(line(seq, time.time_ns(), DROPPED, data, None, b""))
        else:  # one event is lost, and an mlv/dropped would need one more seq: a seal takes its place
            seals.write(seq, time.time_ns(), SEAL, b"")
        self._progress = file, seals, seq
        self.lost += lost
