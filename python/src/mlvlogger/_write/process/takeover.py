"""What a writer process leaves when it ends: the file as it is then, and records of the ring that aren't in it."""

from __future__ import annotations

import errno
import os
import time

from ..._disk.line_file import FileChanged, LineFile
from ..._format.line import line
from ..._format.seal import SEAL_END
from ..direct import DirectWriter
from ..recovery import scan_file
from ..seals import Seals
from ..written import Written
from .records import unpack
from .ring import Ring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Takeover"]


class Takeover:
    """What the other process leaves, and how far the caller, which takes over, has written that.

    Args:
        file: The file of the caller.
        ring: The ring from which the other process took.

    Attributes:
        lost: The seqs of events that could not be found in the ring.
        has_refused: May events wait in memory whose seqs begin after ours?
        changed: The error if another program has changed the file: nothing more is written to it.
    """

    def __init__(self, file: LineFile, ring: Ring) -> None:
        self._file = file
        self._ring = ring
        #: The file while we write what is in the ring, its seals, and the seq of its last line.
        self._begun: tuple[LineFile, Seals, int] | None = None
        self.lost: list[int] = []
        self.has_refused = False
        self.changed: FileChanged | None = None

    @property
    def file(self) -> LineFile | None:
        """The file, once it was taken."""
        return None if self._begun is None else self._begun[0]

    @property
    def last(self) -> int:
        """The seq of the last line that we have written, 0 if there is none."""
        return 0 if self._begun is None else self._begun[2]

    def take(self, seq: int, own: tuple[int, int, bytes]) -> DirectWriter:
        """Write what the other process has not written, and return the writer that continues in its place.

        After an exception, a second call continues where this one stopped.

        Args:
            seq: The seq of the last event that was put into the ring.
            own: The part of the file that the caller has written itself last (`Written.part`).

        Raises:
            OSError: If the system refuses.
        """
        try:
            if self._begun is None:
                self._begun = self._take_file(own)
            file, seals, last = self._begun
            for record in self._ring.find():
                number, nanoseconds, event, is_seal = unpack(record)
                if number <= last:
                    continue
                # An mlv/dropped has left out the seqs from its first on: {"first":N,…
                is_dropped = event.name == b'"mlv/dropped"'
                first = int(event.data[9 : event.data.index(b",")]) if is_dropped else number
                if first > last + 1:
                    self._note(file, seals, range(last + 1, first), first - 1)
                if is_seal:
                    seals.write(number, nanoseconds, event.name, event.data)
                else:
                    file.write(event.render(number, nanoseconds))
                last = number
                self._begun = file, seals, last
            if last < seq:
                # Events that wait in memory may have the seqs after these.
                following = seq if self.has_refused else seq + 1
                self._note(file, seals, range(last + 1, seq + 1), following)
                last = following
            return DirectWriter(seals.written, last)
        except FileChanged as change:
            self.changed = change
            raise
        except (OSError, MemoryError) as error:
            self.has_refused = True
            if self._begun is not None:
                self._begun[1].settle()
            if isinstance(error, MemoryError):
                raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)) from error
            raise
        except BaseException:  # of a signal handler: who knows what was written?
            self._begun = None
            raise

    def _take_file(self, own: tuple[int, int, bytes]) -> tuple[LineFile, Seals, int]:
        """The file of a process that has ended: with its seals, and the seq of its last line. Raises OSError."""
        try:
            file = LineFile.from_descriptor(os.dup(self._file.fd), self._file.path)
        except OSError as error:
            raise FileChanged("closed") if error.errno == errno.EBADF else error from None
        try:
            if file.identity != self._file.identity:
                raise FileChanged("closed")
            written = self._ring.written
            with file.reader() as stream:
                end = scan_file(stream, written)
            if written is None:
                if end.size < file.size:
                    file.truncate(end.size)
                file.adopt_path(self._file)
                return file, Seals(Written(file, end.place)), end.seq
            # Of what it wrote last, we may not know: it must be what is next in the ring.
            is_behind = file.size != written
            file.position = (written, 0)
            seals = Seals(self._find_hash(file, end.place, own))
            if is_behind:
                for expected, is_seal in self._next_lines(end.seq, seals):
                    file.pending = expected
                    file.settle()
                    end.seq += file.lines
                    if is_seal and file.lines:
                        seals.written.restart(file.size - SEAL_END)
                file.check()
            file.adopt_path(self._file)  # so that it is compared with the file at its path
            return file, seals, end.seq
        except BaseException:
            file.abandon()
            raise

    def _find_hash(self, file: LineFile, place: int, own: tuple[int, int, bytes]) -> Written:
        """The hash of the file since its last seal: as the two processes have written it. Raises OSError."""
        found = Written(file, place)
        start, end, sha256 = own
        if end != file.size:  # the other process has written after it, and knew it
            start = file.size
        if (digest := self._ring.digest(place, start)) is not None:
            found.read(start, digest)
        if start < file.size:
            found.read_part(start, sha256)
        return found

    def _next_lines(self, last: int, seals: Seals) -> Iterator[tuple[bytes, bool]]:
        """What the other process writes at once, after the seq *last*; and whether it is a seal."""
        lines = b""
        for record in self._ring.find():
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

    def _note(self, file: LineFile, seals: Seals, lost: range, seq: int) -> None:
        """Record, in an event of this *seq*, the lost events before it. Raises OSError."""
        if lost[0] < seq:
            numbers = (lost[0], seq - 1, seq - lost[0])
            data = b'{"first":%d,"last":%d,"reasons":{"shared memory was changed":%d}}' % numbers
            file.write(line(seq, time.time_ns(), b'"mlv/dropped"', data, None, b""))
        else:  # one event, and this record would need a seq more
            seals.write(seq, time.time_ns(), b'"mlv/seal"', b"")
        self._begun = file, seals, seq
        self.lost += lost
