"""The process writer: the caller leaves each event in shared memory, and another process writes it into the file.

The caller does not wait for the disk until the ring is full. The other process outlives the caller, and ends when it
has written everything; where it ends before, the caller writes what is left.

The contract of its methods is in `Writer`.
"""

from __future__ import annotations

import errno
import os
import time
from marshal import dumps, loads
from zlib import adler32

from ..._disk.line_file import FileChanged
from ..._format.line import Pending, are_json_numbers, line, with_special
from ..seals import is_seal_due
from ..writer import put
from ..written import Written
from .child import PATIENCE, WriterProcess, named
from .records import pack, unpack
from .ring import CLOSING, ERROR, ERRORS, LARGEST, READY, SIZE, SKIPPED, TAIL, TRIES, UNSEALED, Ring, pack_header
from .takeover import Takeover

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from ..._disk.line_file import LineFile
    from ..._format.line import Numbered, Numbers
    from ..direct import DirectWriter

__all__ = ["ProcessWriter"]

_LOOK = 50_000_000  # nanoseconds after which an event looks again whether the other process is in order
_CHECK = 1_000_000_000  # nanoseconds after which an event looks again whether the file is the one at its path
_START_PATIENCE = 30.0  # seconds that the other process may take to begin, while no caller waits for it
_SHORT = 1000  # bytes of a record whose values only the other process inspects


class ProcessWriter:
    """Leaves events to another process, which it starts; otherwise like `DirectWriter`.

    Args: as for `DirectWriter`.

    Raises OSError, MemoryError or another exception: the other process cannot be started; then the file is as it was,
    and nothing is left open.
    """

    syncs_events = False

    def __init__(self, written: Written, seq: int) -> None:
        self._file = file = written.file
        self._successor: DirectWriter | None = None  # writes instead of the other process, once that has ended
        #: As in `DirectWriter`. Our lines are the records of the ring, and the large ones that we write ourselves.
        self._numbering: tuple[int, tuple[int, int] | None] = (seq - file.lines, None)
        self._base = seq  # the seq before the first record of the ring, as if this process had written no line
        self.is_seal_due = False
        self._last_seal = 0  # HEAD after it
        self._looked = self._look_at = 0  # nanoseconds since 1970
        self._stuck_at = -1  # TAIL, when we last waited in vain
        #: Until the other process is ready we write ourselves: all that waits for it could be lost with the two of us.
        #: While this is true, `_look_at` is 0.
        self._is_starting = True
        self._begun = time.monotonic()
        self._checked = 0  # nanoseconds since 1970, when the file was compared with the one at its path
        self._is_writing = False  # a line ourselves, of which `Ring.written` may not know yet
        self._closed = False
        written.hash()  # before there is anything to undo: it may import what it needs
        fd = Ring.make()
        try:
            self._ring = Ring(fd)
            self._ring.written = file.size
            self._takeover = Takeover(file, self._ring)
            self._process = WriterProcess(self._ring)
            try:
                self._process.start(fd, file.fd, written.start)
            except BaseException:
                self._process.undo()
                self._ring.close()
                raise
        finally:
            os.close(fd)
        #: The hash of what was written without the other process, which it doesn't know yet: see `_put_slow`.
        self._own: Written | None = written
        self._part = written.part()  # what was reported last: see `Takeover.take`

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
            self._ring.written = self._file.size
            self._is_writing = False
        base, gap = self._numbering
        if gap is not None:
            base += gap[1] if self._lines >= gap[0] else 0
            self._numbering = (base, None)
        self._base = base + self._file.lines

    def put(
        self, nanoseconds: int, name: bytes, data: bytes, values: Numbers | None, tail: bytes | None, skip: int = 0
    ) -> int:
        """As in `Writer`: leave the event to the other process, and wait while there is no space. For `seal`, *tail* is
        None.

        Raises OSError, and leaves nothing, when the other process cannot write, or when there is no progress for some
        seconds.
        """
        ring = self._ring
        if skip or not self._looked <= nanoseconds < self._look_at:
            self._look(nanoseconds)
            if self._successor is not None:
                return _put(self._successor, nanoseconds, Pending(name, data, values, tail or b""), tail is None, skip)
            if skip:
                self._look_at = 0  # at the next event, the base is set again
                self._numbering = (self._numbering[0], (self._lines + 1, skip))
            if self._is_starting and tail is not None and ring.is_empty:
                seq = self._base + ring.position[1] + skip + 1
                self._write(line(seq, nanoseconds, name, data, values, tail))
                return seq
            if self._own is not None:
                seq = self._base + ring.position[1] + skip + 1
                return self._put_slow(seq, nanoseconds, Pending(name, data, values, tail or b""), tail is None, skip)
        start, count = ring.position
        count += 1
        seq = self._base + count + skip
        record = dumps((seq, nanoseconds, name, data, values, tail), 2)  # as `pack`
        length = len(record)
        end = start + (length + 15 & -8)
        if length <= _SHORT:
            if end <= ring.limit:  # then this is `Ring.put`, without a call that would take a tenth of the time
                place = start % SIZE + SKIPPED
                try:
                    pack_header(ring.memory, place - 8, length, adler32(record, end))
                except TypeError:
                    raise ValueError("the ring is closed") from None
                ring.memory[place : place + length] = record
                ring.position = (end, count)
                return seq
            if ring.put(record):
                return seq
        return self._put_slow(seq, nanoseconds, Pending(name, data, values, tail or b""), tail is None, skip)

    def _put_slow(self, seq: int, nanoseconds: int, event: Pending, is_seal: bool, skip: int) -> int:
        if event.values is not None and not are_json_numbers(event.values):  # a warning may be due
            event = Pending(event.name, with_special(event.data, event.values), None, event.tail)
        own: tuple[int, bytes] | tuple[()] = ()
        if self._own is not None:
            self._part = start, _, digest = self._own.part()
            own = start, digest
        record = pack(seq, nanoseconds, event, is_seal, own)
        if len(record) <= LARGEST:
            self._wait(lambda: self._ring.put(record))
            if self._successor is None:
                self._own = self._file.recent = None
        else:
            self._drain()
            if is_seal and self._successor is None:
                if not self._process.dismiss():
                    self._give_up()
                self._take_over()
        if self._successor is not None:
            return _put(self._successor, nanoseconds, event, is_seal, skip)
        if len(record) > LARGEST:
            self._write(event.render(seq, nanoseconds))
        words = self._ring.words
        self.is_seal_due = words[TAIL] >= self._last_seal and is_seal_due(words[UNSEALED])
        return seq

    def _write(self, line: bytes) -> None:
        """Write a line ourselves, when nothing is in the ring."""
        self._look_at = 0  # at the next event, the base is set again
        self.settle()
        if self._own is not None:
            self._own.hash()
        self._know_size()
        if self._own is None or self._own.end != self._file.size:
            self._own = Written(self._file, self._file.size)
        self._is_writing = True
        self._file.write(line)
        self._ring.written = self._file.size
        self._is_writing = False

    def _know_size(self) -> None:
        """The size that the file must have, when the ring is empty."""
        if (written := self._ring.written) is None:
            self._file.refresh()
        else:
            self._file.position = (written, self._file.lines)

    def check(self, nanoseconds: int = 0) -> None:
        """As in `Writer`. The size is compared when nothing is in the ring, and by the other process."""
        if self._takeover.changed is not None:
            raise self._takeover.changed
        if self._successor is not None:
            self._successor.check(nanoseconds)
            return
        is_empty = self._ring.is_empty
        if is_empty:
            self._know_size()
        self._file.check(size=is_empty)
        self._checked = nanoseconds

    def hand_over(self) -> tuple[Written, int, list[Numbered]]:
        """Stop the other process: the file isn't the one at its path any more.

        Returns:
            The hash of the file since its last seal, the seq of its last line, and the events that are not in it: if
            another program has changed the file, those that the other process had not written.
        """
        if self._successor is None and self._takeover.changed is None:
            if not self._process.dismiss():
                self._process.kill()
            try:
                self._take_over()
            except FileChanged:
                pass
        waiting: list[Numbered] = []
        if self._successor is not None:
            written, seq = self._successor.written, self._successor.seq
        else:
            records = [unpack(record) for record, _ in self._ring.take(self._ring.words[TAIL])]
            waiting = [(seq, nanoseconds, event) for seq, nanoseconds, event, is_seal in records if not is_seal]
            # Seals among them have numbers, too.
            written, seq = Written(self._file, 0), (records[0][0] - 1 if records else self.seq)
            self._know_size()
        self._closed = True
        file = written.file
        for own in (self._file, self._takeover.file):
            if own is not None and own is not file:
                own.abandon()
        file.adopt_path(self._file)
        self._process.close_bell()
        self._ring.close()
        return written, seq, waiting

    def seal(self, nanoseconds: int, name: bytes, members: bytes) -> int:
        """As in `Writer`."""
        seq = self.put(nanoseconds, name, members, None, None)
        self._last_seal = self._ring.position[0]
        self.is_seal_due = False
        return seq

    def _look(self, nanoseconds: int) -> None:
        """Look after the other process, as is done every now and then. Raises OSError when it is in trouble."""
        self.settle()
        if self._successor is not None:
            return
        words = self._ring.words
        if self._process.has_ended():
            self._take_over_with_warning()
            return
        self._is_starting = self._is_starting and not words[READY]
        if self._is_starting and time.monotonic() - self._begun > _START_PATIENCE:
            self._begun = time.monotonic()
            if self._process.kill():
                self._take_over_with_warning()
                return
        if (number := words[ERROR]) in ERRORS:
            self._refuse(number)
        if words[TAIL] == self._stuck_at and not self._ring.is_empty:
            self._give_up()
        if not 0 <= nanoseconds - self._checked < _CHECK:
            self.check(nanoseconds)
        if not self._is_starting:
            self._looked, self._look_at = nanoseconds, nanoseconds + _LOOK

    def _refuse(self, number: int) -> NoReturn:
        self._takeover.has_refused = True
        raise OSError(number, os.strerror(number))

    def _give_up(self) -> NoReturn:
        self._takeover.has_refused = True
        self._stuck_at = self._ring.words[TAIL]
        raise TimeoutError(errno.ETIMEDOUT, "The writer process made no progress for seconds")

    def _wait(self, is_done: Callable[[], bool]) -> None:
        """Return when *is_done*, or when we have taken over. Raises OSError as `put`."""
        words = self._ring.words
        tail, since, tries = -1, 0.0, words[TRIES]
        while not is_done():
            if self._process.has_ended():
                self._take_over_with_warning()
                return
            present = time.monotonic()
            if words[TAIL] != tail:
                tail, since = words[TAIL], present
            if (number := words[ERROR]) in ERRORS and words[TRIES] >= tries + 2:  # the second began after we did
                self._refuse(number)
            if present - since > PATIENCE:
                if words[READY] or not self._process.kill():
                    self._give_up()
                continue
            time.sleep(0.0005)

    def _take_over_with_warning(self) -> None:
        if self._takeover.changed is not None:
            raise self._takeover.changed
        self._take_over()
        self._process.warn_of_end(self._file.path, self._takeover.lost)

    def _take_over(self) -> None:
        """The other process has ended: write what it has not written, and continue in its place. Raises OSError."""
        self.settle()
        self._successor = self._takeover.take(self.seq, self._part if self._own is None else self._own.part())
        self._look_at = 0  # so that each event comes to it

    def drain(self) -> None:
        """As in `Writer`. The text of the OSError names the events that are not with the kernel."""
        try:
            self._drain()
        except FileChanged:
            raise
        except OSError as error:
            raise OSError(error.errno, f"{error.strerror}{self._unwritten()}") from error

    def _drain(self) -> None:
        self.settle()
        if self._successor is None:
            self._process.ring_bell()
            self._wait(lambda: self._ring.is_empty)

    def _unwritten(self) -> str:
        """The end of a message: which events are not in the file. Empty where that is unknown."""
        record, _ = next(self._ring.take(self._ring.words[TAIL]), (None, 0))
        if record is None:
            return ""
        first = loads(record)[0]
        first = max(first, self._takeover.last + 1)
        return f"; {named(range(first, self.seq + 1))} not in the file"

    def sync(self) -> None:
        """As in `Writer`."""
        self.drain()
        self._file.sync()

    def close(self) -> None:
        """As in `Writer`. What could not be written yet, the other process continues to try for a minute.

        Raises OSError if the other process has ended and this one cannot write what is left.
        """
        if self._closed:
            self.abandon()
            return
        self._ring.settle()
        self._ring.words[CLOSING] = 1  # first: an exception of a signal handler may come from here on
        try:
            if self._successor is None and self._process.dismiss() and not self._ring.is_empty:
                self._take_over_with_warning()
            if self._successor is not None:
                self._successor.close()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """As in `Writer`: the other process stays the parent's."""
        self._closed = True
        # Each step can be done again, where an exception of a signal handler came before the next.
        for file in (self._file, self._successor, self._takeover.file):
            if file is not None:
                file.abandon()
        self._process.close_bell()
        self._ring.close()

    def __del__(self) -> None:
        # A writer that was dropped without a close. The other process writes what there is, and ends.
        if not getattr(self, "_closed", True) and hasattr(getattr(self, "_process", None), "pid"):
            self._process.leave()
            self.abandon()


def _put(writer: DirectWriter, nanoseconds: int, event: Pending, is_seal: bool, skip: int) -> int:
    if is_seal:
        return writer.seal(nanoseconds, event.name, event.data)
    return put(writer, nanoseconds, event, skip)
