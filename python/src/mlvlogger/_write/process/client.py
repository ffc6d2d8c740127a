"""The process writer: the caller leaves each event in shared memory, and another process writes it into the file.

The caller does not wait for the disk until the ring is full. The other process outlives the caller, and ends when it
has written everything; where it ends before, the caller writes what is left.

The contract of its methods is in `Writer`.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from marshal import dumps, loads
from zlib import adler32

from ..._disk.folder import identity
from ..._disk.line_file import FileChanged, LineFile
from ..._disk.spawn import spawn
from ..._format.line import Pending, are_ordinary, line, with_special
from ..._format.seal import SEAL_END
from ..._messages import warn
from ..direct import DirectWriter
from ..recovery import scan_file
from ..seals import Seals, is_seal_due
from ..writer import put
from .ring import CLOSING, ERROR, LARGEST, READY, SIZE, SKIPPED, TAIL, TRIES, UNSEALED, Ring, pack_header

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import NoReturn

    from ..._format.line import Numbered, Numbers

__all__ = ["ProcessWriter"]

_LOOK = 50_000_000  # nanoseconds after which an event looks again whether the other process is in order
_CHECK = 1_000_000_000  # nanoseconds after which an event looks again whether the file is the one at its path
_PATIENCE = 4.0  # seconds that the caller waits without progress
_START_PATIENCE = 30.0  # seconds that the other process may take to begin, while no caller waits for it
_SHORT = 1000  # bytes of a record whose values only the other process inspects
_ERRORS = range(1, 4096)  # what the system uses as error numbers

_ended_later: list[int] = []  # exited writer processes that aren't reaped yet


class ProcessWriter:
    """Leaves events to another process, which it starts; otherwise like `DirectWriter`.

    Args: as for `DirectWriter`.

    Raises OSError, MemoryError or another exception: the other process cannot be started; then *file* is as it was, and
    nothing is left open.
    """

    syncs_events = False

    def __init__(self, file: LineFile, seq: int, place: int) -> None:
        self._file = file
        self._heir: DirectWriter | None = None  # replaces the other process, once that has ended
        self._heir_to_be: tuple[LineFile, Seals, int] | None = None  # while it writes what is in the ring; and the seq
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
        self._ended = ""  # how the other process has ended, once it has
        self._lost: list[int] = []  # seqs of events that could not be found in the ring
        self._has_refused = False  # may events wait in memory whose seqs begin after the writer's?
        self._begun = time.monotonic()
        self._changed: FileChanged | None = None  # another program has changed the file: nothing more is written to it
        self._checked = 0  # nanoseconds since 1970, when the file was compared with the one at its path
        self._is_writing = False  # a line ourselves, of which `Ring.written` may not know yet
        self._bell: list[int] = []  # the ends of a pipe whose bytes wake the other process
        self._pipe: tuple[int, int] | None = None  # what it is
        self._closed = False
        pids: list[int] = []
        fd = Ring.make()
        try:
            self._ring = Ring(fd)
            self._ring.written = file.size
            try:
                _start(fd, file.fd, place, self._bell, pids)
                self._pipe = identity(os.fstat(self._bell[0]))
                self._pid = pids[0]
            except BaseException:
                for pid in pids:
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
                while self._bell:
                    os.close(self._bell.pop())
                self._ring.close()
                raise
        finally:
            os.close(fd)
        file.recent = None  # the other process seals

    @property
    def file(self) -> LineFile:
        """As in `Writer`."""
        return self._file if self._heir is None else self._heir.file

    @property
    def _lines(self) -> int:
        return self._ring.position[1] + self._file.lines

    @property
    def seq(self) -> int:
        """As in `Writer`."""
        if self._heir is not None:
            return self._heir.seq
        base, gap = self._numbering
        return base + self._lines + (gap[1] if gap is not None and self._lines >= gap[0] else 0)

    def settle(self) -> None:
        """As in `Writer`."""
        if self._heir is not None:
            self._heir.settle()
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
            if self._heir is not None:
                return _put(self._heir, nanoseconds, Pending(name, data, values, tail or b""), tail is None, skip)
            if skip:
                self._look_at = 0  # at the next event, the base is set again
                self._numbering = (self._numbering[0], (self._lines + 1, skip))
            if self._is_starting and tail is not None and ring.is_empty:
                seq = self._base + ring.position[1] + skip + 1
                self._write(line(seq, nanoseconds, name, data, values, tail))
                return seq
        start, count = ring.position
        count += 1
        seq = self._base + count + skip
        record = dumps((seq, nanoseconds, name, data, values, tail), 2)  # as `_pack`
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
        return self._put_slow(record, seq, nanoseconds, Pending(name, data, values, tail or b""), tail is None, skip)

    def _put_slow(self, record: bytes, seq: int, nanoseconds: int, event: Pending, is_seal: bool, skip: int) -> int:
        if event.values is not None and not are_ordinary(event.values):  # a warning may be due
            event = Pending(event.name, with_special(event.data, event.values), None, event.tail)
            record = _pack(seq, nanoseconds, event, is_seal)
        if len(record) <= LARGEST:
            self._wait(lambda: self._ring.put(record))
        else:
            self._drain()
            if is_seal and self._heir is None:
                if not self._dismiss():
                    self._give_up()
                self._inherit()
        if self._heir is not None:
            return _put(self._heir, nanoseconds, event, is_seal, skip)
        if len(record) > LARGEST:
            self._write(event.render(seq, nanoseconds))
        words = self._ring.words
        self.is_seal_due = words[TAIL] >= self._last_seal and is_seal_due(words[UNSEALED])
        return seq

    def _write(self, line: bytes) -> None:
        """Write a line ourselves, when nothing is in the ring."""
        self._look_at = 0  # at the next event, the base is set again
        self.settle()
        self._know_size()
        self._is_writing = True
        self._file.write(line)
        self._ring.written = self._file.size
        self._is_writing = False

    def _know_size(self) -> None:
        """The size that the file must have, when the ring is empty."""
        if (written := self._ring.written) is None:
            self._file.look_again()
        else:
            self._file.position = (written, self._file.lines)

    def check(self, nanoseconds: int = 0) -> None:
        """As in `Writer`. The size is compared when nothing is in the ring, and by the other process."""
        if self._changed is not None:
            raise self._changed
        if self._heir is not None:
            self._heir.check(nanoseconds)
            return
        is_empty = self._ring.is_empty
        if is_empty:
            self._know_size()
        self._file.check(size=is_empty)
        self._checked = nanoseconds

    def hand_over(self) -> tuple[LineFile, int, int, list[Numbered]]:
        """Stop the other process: the file isn't the one at its path any more.

        Returns:
            The file, where in it the digits of the last seal begin, the seq of its last line, and the events that are
            not in it: if another program has changed the file, those that the other process had not written.
        """
        if self._heir is None and self._changed is None:
            if not self._dismiss():
                self._kill()
            try:
                self._inherit()
            except FileChanged:
                pass
        waiting: list[Numbered] = []
        if self._heir is not None:
            file, place, seq = self._heir.file, self._heir.place, self._heir.seq
        else:
            records = [_unpack(record) for record, _ in self._ring.take(self._ring.words[TAIL])]
            waiting = [(seq, nanoseconds, event) for seq, nanoseconds, event, is_seal in records if not is_seal]
            # Seals among them have numbers, too.
            file, place, seq = self._file, 0, (records[0][0] - 1 if records else self.seq)
            self._know_size()
        self._closed = True
        for own in (self._file, self._heir_to_be and self._heir_to_be[0]):
            if own is not None and own is not file:
                own.abandon()
        file.move_to(self._file)
        self._close_bell()
        self._ring.close()
        return file, place, seq, waiting

    def seal(self, nanoseconds: int, name: bytes, members: bytes) -> int:
        """As in `Writer`."""
        seq = self.put(nanoseconds, name, members, None, None)
        self._last_seal = self._ring.position[0]
        self.is_seal_due = False
        return seq

    def _look(self, nanoseconds: int) -> None:
        """Look after the other process, as is done every now and then. Raises OSError when it is in trouble."""
        self.settle()
        if self._heir is not None:
            return
        words = self._ring.words
        if self._has_ended():
            self._inherit_with_warning()
            return
        self._is_starting = self._is_starting and not words[READY]
        if self._is_starting and time.monotonic() - self._begun > _START_PATIENCE:
            self._begun = time.monotonic()
            if self._kill():
                self._inherit_with_warning()
                return
        if (number := words[ERROR]) in _ERRORS:
            self._refuse(number)
        if words[TAIL] == self._stuck_at and not self._ring.is_empty:
            self._give_up()
        if not 0 <= nanoseconds - self._checked < _CHECK:
            self.check(nanoseconds)
        if not self._is_starting:
            self._looked, self._look_at = nanoseconds, nanoseconds + _LOOK

    def _refuse(self, number: int) -> NoReturn:
        self._has_refused = True
        raise OSError(number, os.strerror(number))

    def _give_up(self) -> NoReturn:
        self._has_refused = True
        self._stuck_at = self._ring.words[TAIL]
        raise TimeoutError(errno.ETIMEDOUT, "The writer process made no progress for seconds")

    def _wait(self, is_done: Callable[[], bool]) -> None:
        """Return when *is_done*, or when we are the heir. Raises OSError as `put`."""
        words = self._ring.words
        tail, since, tries = -1, 0.0, words[TRIES]
        while not is_done():
            if self._has_ended():
                self._inherit_with_warning()
                return
            present = time.monotonic()
            if words[TAIL] != tail:
                tail, since = words[TAIL], present
            if (number := words[ERROR]) in _ERRORS and words[TRIES] >= tries + 2:  # the second began after we did
                self._refuse(number)
            if present - since > _PATIENCE:
                if words[READY] or not self._kill():
                    self._give_up()
                continue
            time.sleep(0.0005)

    def _has_ended(self) -> bool:
        if not self._ended:
            self._ended = _ending(self._pid)
        return self._ended != ""

    def _kill(self) -> bool:
        """End the other process, which has not begun. Returns whether it is gone: then all that it left is ours."""
        try:
            os.kill(self._pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        until = time.monotonic() + 1
        while not self._has_ended():
            if time.monotonic() > until:
                return False
            time.sleep(0.0005)
        self._ended = "it did not begin in time, and was killed"
        return True

    def _inherit_with_warning(self) -> None:
        if self._changed is not None:
            raise self._changed
        self._inherit()
        reason = f": {text}" if (text := self._ring.errors()) else ""
        ended = f"the writer process of {self._file.path} has ended ({self._ended}{reason})."
        goes_on = "writes the events itself from now on."
        if self._lost:
            warn(
                f"{ended} {_named(self._lost)} lost: the memory that the two processes share was changed by another "
                f"process. This process {goes_on} Check the program's C extensions."
            )
        else:
            warn(f"{ended} No event is lost: this process has written the rest, and {goes_on}")

    def _inherit(self) -> None:
        """The other process has ended: write what it has not written, and replace it. Raises OSError."""
        self.settle()
        try:
            if self._heir_to_be is None:
                self._heir_to_be = self._take_file()
            file, seals, last = self._heir_to_be
            for record in self._ring.find():
                seq, nanoseconds, event, is_seal = _unpack(record)
                if seq <= last:
                    continue
                # An mlv/dropped has left out the seqs from its first on: {"first":N,…
                is_dropped = event.name == b'"mlv/dropped"'
                first = int(event.data[9 : event.data.index(b",")]) if is_dropped else seq
                if first > last + 1:
                    self._note(file, seals, range(last + 1, first), first - 1)
                if is_seal:
                    seals.write(seq, nanoseconds, event.name, event.data)
                else:
                    file.write(event.render(seq, nanoseconds))
                last = seq
                self._heir_to_be = file, seals, last
            if last < self.seq:
                # Events that wait in memory may have the seqs after these.
                following = self.seq if self._has_refused else self.seq + 1
                self._note(file, seals, range(last + 1, self.seq + 1), following)
                last = following
            heir = DirectWriter(file, last, seals.place)
        except FileChanged as change:
            self._changed = change
            raise
        except (OSError, MemoryError) as error:
            self._has_refused = True
            if self._heir_to_be is not None:
                self._heir_to_be[1].settle()
            if isinstance(error, MemoryError):
                raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)) from error
            raise
        except BaseException:  # of a signal handler: who knows what was written?
            self._heir_to_be = None
            raise
        self._heir = heir
        self._look_at = 0  # so that each event comes to it

    def _take_file(self) -> tuple[LineFile, Seals, int]:
        """The file of a process that has ended: with its seals, and the seq of its last line. Raises OSError."""
        try:
            file = LineFile.of_descriptor(os.dup(self._file.fd), self._file.path)
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
                file.move_to(self._file)
                return file, Seals(file, end.place), end.seq
            # Of what it wrote last, we may not know: it must be what is next in the ring.
            is_behind = file.size != written
            file.position = (written, 0)
            seals = Seals(file, end.place)
            if is_behind:
                for expected, is_seal in self._next_lines(end.seq, seals):
                    file.pending = expected
                    file.settle()
                    end.seq += file.lines
                    if is_seal and file.lines:
                        seals = Seals(file, file.size - SEAL_END)
                file.check()
            file.move_to(self._file)  # so that it is compared with the file at its path
            return file, seals, end.seq
        except BaseException:
            file.abandon()
            raise

    def _next_lines(self, last: int, seals: Seals) -> Iterator[tuple[bytes, bool]]:
        """What the other process writes at once, after the seq *last*; and whether it is a seal."""
        lines = b""
        for record in self._ring.find():
            seq, nanoseconds, event, is_seal = _unpack(record)
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
        self._heir_to_be = file, seals, seq
        self._lost += lost

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
        if self._heir is None:
            self._ring_bell()
            self._wait(lambda: self._ring.is_empty)

    def _unwritten(self) -> str:
        """The end of a message: which events are not in the file. Empty where that is unknown."""
        record, _ = next(self._ring.take(self._ring.words[TAIL]), (None, 0))
        if record is None:
            return ""
        first = loads(record)[0]
        if self._heir_to_be is not None:
            first = max(first, self._heir_to_be[2] + 1)
        return f"; {_named(range(first, self.seq + 1))} not in the file"

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
            if self._heir is None and self._dismiss() and not self._ring.is_empty:
                self._inherit_with_warning()
            if self._heir is not None:
                self._heir.close()
        finally:
            self.abandon()

    def _dismiss(self) -> bool:
        """Tell the other process that nothing more comes, and wait for its end unless it is in trouble.

        Returns whether it has ended."""
        words = self._ring.words
        self._ring.settle()
        words[CLOSING] = 1
        self._ring_bell()
        begin = time.monotonic()
        while not self._has_ended():
            if words[ERROR] in _ERRORS or time.monotonic() - begin > _PATIENCE:
                if not words[READY] and self._kill():
                    break
                _ended_later.append(self._pid)
                return False
            time.sleep(0.0005)
        return True

    def _has_pipe(self, fd: int) -> bool:
        """Whether a descriptor of the bell is ours: the program may have closed descriptors that it doesn't know."""
        try:
            return self._pipe in (None, identity(os.fstat(fd)))
        except OSError:
            return False

    def _ring_bell(self) -> None:
        if self._has_pipe(self._bell[1]):
            try:
                os.write(self._bell[1], b"!")
            except BlockingIOError:
                pass  # it rings already

    def _close_bell(self) -> None:
        while self._bell:
            fd = self._bell.pop()
            if self._has_pipe(fd):
                os.close(fd)

    def abandon(self) -> None:
        """As in `Writer`: the other process stays the parent's."""
        self._closed = True
        # Each step can be done again, where an exception of a signal handler came before the next.
        for file in (self._file, self._heir, self._heir_to_be and self._heir_to_be[0]):
            if file is not None:
                file.abandon()
        self._close_bell()
        self._ring.close()

    def __del__(self) -> None:
        # A writer that was dropped without a close. The other process writes what there is, and ends.
        if not getattr(self, "_closed", True) and hasattr(self, "_pid"):
            self._ring.words[CLOSING] = 1
            self._ring_bell()
            if not self._ring.words[READY] and self._ring.is_empty:
                self._kill()  # a process that never begins would keep the file
            _ended_later.append(self._pid)
            self.abandon()


def _pack(seq: int, nanoseconds: int, event: Pending, is_seal: bool) -> bytes:
    """Return the record of an event for the ring. In that of a seal, the tail is None."""
    tail = None if is_seal else event.tail
    return dumps((seq, nanoseconds, event.name, event.data, event.values, tail), 2)


def _unpack(record: bytes) -> tuple[int, int, Pending, bool]:
    """Return the seq, the time and the event of a record of the ring, and whether it is a seal."""
    seq, nanoseconds, name, data, values, tail = loads(record)
    return seq, nanoseconds, Pending(name, data, values, tail or b""), tail is None


def _put(writer: DirectWriter, nanoseconds: int, event: Pending, is_seal: bool, skip: int) -> int:
    if is_seal:
        return writer.seal(nanoseconds, event.name, event.data)
    return put(writer, nanoseconds, event, skip)


def _start(ring: int, file: int, place: int, bell: list[int], pids: list[int]) -> None:
    """Start the other process. Appends to *bell* the two ends of a pipe whose bytes wake it, and its pid to *pids*.

    We keep the end to read from, too: writing to a pipe without a reader could end the program (SIGPIPE).
    """
    _ended_later[:] = [pid for pid in _ended_later if not _ending(pid)]
    if not hasattr(os, "posix_spawn") or not sys.executable or getattr(sys, "frozen", False):
        raise OSError("there is no interpreter that could be started as a separate process")
    bell += os.pipe()
    os.set_blocking(bell[1], False)
    spawn(
        "_write.process.server",
        (ring, file, bell[0]),
        lambda own: [str(number) for number in (*own, os.getpid(), place)],
        pids,
        lambda own: [
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_DUP2, own[0], 2),  # see `Ring.errors`
        ],
    )


def _ending(pid: int) -> str:
    """How a process has ended; empty while it runs."""
    try:
        found, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return "exit code unknown"  # another caller has reaped it
    if not found:
        return ""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:  # one without a name
        return f"signal {-code}"


def _named(seqs: Sequence[int]) -> str:
    if len(seqs) == 1:
        return f"1 event (seq {seqs[0]}) is"
    return f"{len(seqs)} events (seq {seqs[0]} to {seqs[-1]}) are"
