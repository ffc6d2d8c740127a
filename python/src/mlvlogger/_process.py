"""The process writer: the caller leaves each event in shared memory, and another process writes it into the file.

The caller does not wait for the disk until the ring is full. The other process outlives the caller, and ends when it
has written everything; where it ends before, the caller writes what is left.
"""

from __future__ import annotations

import marshal
import os
import sys
import time

from ._line_file import LineFile
from ._lines import are_ordinary, line, with_special
from ._ring import CLOSING, ERROR, HEAD, READY, SIZE, TAIL, TRIES, UNSEALED, Ring
from ._seals import Seals, is_seal_due
from ._tails import scan_file
from ._values import warn
from ._writers import DirectWriter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from ._lines import Numbers

__all__ = ["ProcessWriter"]

_LOOK = 50_000_000  # nanoseconds after which an event looks again whether the other process is in order
_PATIENCE = 4.0  # seconds that the caller waits while nothing gets on
_START_PATIENCE = 30.0  # the same, while the other process has not begun
_SHORT = 1000  # bytes of a record whose values are looked at by the other process alone
_LARGE = SIZE // 4  # bytes of a record that does not go through the ring

_ENDED = (
    "has ended, killed perhaps. What it had not written is written now, and from here on this process writes events "
    "itself."
)
# The package alone can be imported, and not its neighbors: one of these may have the name of a standard module.
_COMMAND = (
    "import sys; package = sys.modules['mlvlogger'] = type(sys)('mlvlogger'); package.__path__ = [sys.argv[1]]; "
    "from mlvlogger._serving import serve; serve(*sys.argv[2:])"
)

_ended_later: list[int] = []  # processes of writers that nobody has waited for


class ProcessWriter:
    """Leaves events to another process, which it starts; otherwise like `DirectWriter`.

    Args: as for `DirectWriter`.

    Raises OSError: the other process cannot be started; then *file* is as it was.
    """

    syncs_events = False

    def __init__(self, file: LineFile, seq: int, place: int) -> None:
        self._file = file
        self._heir: DirectWriter | None = None  # in the place of the other process, once that has ended
        self._heir_to_be: tuple[LineFile, Seals, int] | None = None  # while it writes what is in the ring; and the seq
        #: As in `DirectWriter`. Our lines are the records of the ring, and the large ones that we write ourselves.
        self._numbering: tuple[int, tuple[int, int] | None] = (seq - file.lines, None)
        self._base = seq  # the seq before the first record of the ring, as if there were no lines of our own
        self.is_seal_due = False
        self._last_seal = 0  # HEAD after it
        self._looked = self._look_at = 0  # nanoseconds since 1970
        self._stuck_at = -1  # TAIL, when we last waited in vain
        #: Until the other process is ready we write ourselves: all that waits for it could be lost with the two of us.
        self._is_starting = True
        self._closed = False
        fd = Ring.make()
        try:
            self._ring = Ring(fd)
            self._pid, self._bell = _start(fd, file.fd, place)
        finally:
            os.close(fd)

    @property
    def _lines(self) -> int:
        return self._ring.position[1] + self._file.lines

    @property
    def seq(self) -> int:
        """As that of `DirectWriter`."""
        if self._heir is not None:
            return self._heir.seq
        base, gap = self._numbering
        return base + self._lines + (gap[1] if gap is not None and self._lines >= gap[0] else 0)

    def settle(self) -> None:
        """As that of `DirectWriter`."""
        if self._heir is not None:
            self._heir.settle()
            return
        self._ring.settle()
        self._file.settle()
        base, gap = self._numbering
        if gap is not None:
            base += gap[1] if self._lines >= gap[0] else 0
            self._numbering = (base, None)
        self._base = base + self._file.lines

    def put(
        self, nanoseconds: int, event: bytes, data: bytes, values: Numbers | None, tail: bytes | None, skip: int = 0
    ) -> int:
        """Leave an event (arguments of `line`; without a *tail* it is a seal) to the other process and return its seq.

        *skip* seqs are left out before it. Waits while there is no room. Raises OSError, and leaves nothing, when the
        other process cannot write, or when nothing gets on for some seconds.
        """
        if skip or not self._looked <= nanoseconds < self._look_at:
            self._look(nanoseconds)
            if self._heir is not None:
                return _put(self._heir, nanoseconds, event, data, values, tail, skip)
            if skip:
                self._look_at = 0  # at the next event, the base is made anew
                self._numbering = (self._numbering[0], (self._lines + 1, skip))
        ring = self._ring
        seq = self._base + ring.position[1] + skip + 1
        if self._is_starting and tail is not None and ring.is_empty:
            self._write(line(seq, nanoseconds, event, data, values, tail))
            return seq
        record = marshal.dumps((seq, nanoseconds, event, data, values, tail), 2)
        if len(record) <= _SHORT and ring.put(record):
            return seq
        return self._put_later(record, seq, nanoseconds, event, data, values, tail, skip)

    def _put_later(
        self,
        record: bytes,
        seq: int,
        nanoseconds: int,
        event: bytes,
        data: bytes,
        values: Numbers | None,
        tail: bytes | None,
        skip: int,
    ) -> int:
        if values is not None and not are_ordinary(values):  # may have to warn
            data, values = with_special(data, values), None
            record = marshal.dumps((seq, nanoseconds, event, data, values, tail), 2)
        if len(record) <= _LARGE:
            self._wait(lambda: self._ring.put(record))
        else:
            self.drain()
            if tail is None and self._heir is None:
                if not self._dismiss():
                    self._give_up()
                self._inherit("")
        if self._heir is not None:
            return _put(self._heir, nanoseconds, event, data, values, tail, skip)
        if len(record) > _LARGE:
            self._write(line(seq, nanoseconds, event, data, values, tail or b""))
        words = self._ring.words
        self.is_seal_due = words[TAIL] >= self._last_seal and is_seal_due(words[UNSEALED])
        return seq

    def _write(self, line: bytes) -> None:
        """Write a line ourselves, when nothing is in the ring."""
        self._look_at = 0  # at the next event, the base is made anew
        self._file.settle()
        self._file.look_again()
        self._file.write(line)

    def seal(self, nanoseconds: int, event: bytes, members: bytes) -> int:
        """As that of `DirectWriter`."""
        seq = self.put(nanoseconds, event, members, None, None)
        self._last_seal = self._ring.position[0]
        self.is_seal_due = False
        return seq

    def _look(self, nanoseconds: int) -> None:
        """Look after the other process, as is done every now and then. Raises OSError when it is in trouble."""
        self.settle()
        if self._heir is not None:
            return
        words = self._ring.words
        if _has_ended(self._pid):
            self._inherit(_ENDED)
            return
        if words[ERROR]:
            self._refuse()
        if words[TAIL] == self._stuck_at and not self._ring.is_empty:
            self._give_up()
        self._is_starting = self._is_starting and not words[READY]
        if not self._is_starting:
            self._looked, self._look_at = nanoseconds, nanoseconds + _LOOK

    def _refuse(self) -> NoReturn:
        number = self._ring.words[ERROR]
        raise OSError(number, os.strerror(number))

    def _give_up(self) -> NoReturn:
        self._stuck_at = self._ring.words[TAIL]
        import errno

        raise TimeoutError(errno.ETIMEDOUT, "The writer process has not got on for seconds")

    def _wait(self, is_done: Callable[[], bool]) -> None:
        """Return when *is_done*, or when we are the heir. Raises OSError as `put`."""
        words = self._ring.words
        tail, since, tries = -1, 0.0, words[TRIES]
        while not is_done():
            if _has_ended(self._pid):
                self._inherit(_ENDED)
                return
            present = time.monotonic()
            if words[TAIL] != tail:
                tail, since = words[TAIL], present
            if words[ERROR] and words[TRIES] >= tries + 2:  # the second of these began after we did
                self._refuse()
            if present - since > (_PATIENCE if words[READY] else _START_PATIENCE):
                self._give_up()
            time.sleep(0.0005)

    def _inherit(self, message: str) -> None:
        """The other process has ended: write what it has not written, and go on in its place. Raises OSError."""
        self.settle()
        if self._heir_to_be is None:
            file = LineFile.of_descriptor(os.dup(self._file.fd), self._file.path)
            with open(os.dup(file.fd), "rb") as stream:
                stream.seek(0)
                end = scan_file(stream)
            if end.size < file.size:
                file.truncate(end.size)
            self._heir_to_be = file, Seals(file, end.place), end.seq
        file, seals, last = self._heir_to_be
        words = self._ring.words
        try:
            for record, end_of_record in self._ring.take(words[HEAD]):
                seq, nanoseconds, event, data, values, tail = marshal.loads(record)
                if seq > last:
                    if tail is None:
                        seals.write(seq, nanoseconds, event, data)
                    else:
                        file.write(line(seq, nanoseconds, event, data, values, tail))
                    self._heir_to_be = file, seals, seq
                words[TAIL] = end_of_record
        except OSError:
            seals.settle()
            raise
        except BaseException:  # of a signal handler: who knows what was written?
            self._heir_to_be = None
            raise
        self._heir = DirectWriter(file, self.seq, seals.place)
        self._look_at = 0  # so that each event comes to it
        if message:
            warn(f"the writer process of {self._file.path} {message}")

    def drain(self) -> None:
        """Return when every event is with the kernel. Raises OSError as `put`."""
        self.settle()
        if self._heir is None:
            _ring_bell(self._bell)
            self._wait(lambda: self._ring.is_empty)

    def sync(self) -> None:
        """Return when every event is on the disk. Raises OSError as `put` and `LineFile.sync`."""
        self.drain()
        self._file.sync()

    def close(self) -> None:
        """Let go of the file. What could not be written yet, the other process goes on to try for a minute."""
        if self._closed:
            self.abandon()
            return
        self._ring.settle()
        self._ring.words[CLOSING] = 1  # first: an exception of a signal handler may come from here on
        try:
            if self._heir is None:
                self._dismiss()
            else:
                self._heir.close()
        finally:
            self.abandon()

    def _dismiss(self) -> bool:
        """Tell the other process that nothing more comes, and wait for its end unless it is in trouble.

        Returns whether it has ended."""
        words = self._ring.words
        self._ring.settle()
        words[CLOSING] = 1
        _ring_bell(self._bell)
        begin = time.monotonic()
        while not _has_ended(self._pid):
            if words[ERROR] or time.monotonic() - begin > (_PATIENCE if words[READY] else _START_PATIENCE):
                _ended_later.append(self._pid)
                return False
            time.sleep(0.0005)
        return True

    def abandon(self) -> None:
        """As that of `DirectWriter`: the other process stays the parent's."""
        self._closed = True
        # Each step can be done again, where an exception of a signal handler came before the next.
        for file in (self._file, self._heir, self._heir_to_be and self._heir_to_be[0]):
            if file is not None:
                file.abandon()
        while self._bell:
            os.close(self._bell.pop())
        self._ring.close()

    def __del__(self) -> None:
        # A writer that was dropped without a close. The other process writes what there is, and ends.
        if not getattr(self, "_closed", True) and hasattr(self, "_bell"):
            self._ring.words[CLOSING] = 1
            _ring_bell(self._bell)
            _ended_later.append(self._pid)
            self.abandon()


def _put(
    writer: DirectWriter,
    nanoseconds: int,
    event: bytes,
    data: bytes,
    values: Numbers | None,
    tail: bytes | None,
    skip: int,
) -> int:
    if tail is None:
        return writer.seal(nanoseconds, event, data)
    return writer.put(nanoseconds, event, data, values, tail, skip)


def _start(ring: int, file: int, place: int) -> tuple[int, list[int]]:
    """Start the other process. Returns its pid, and the two ends of a pipe whose bytes wake it.

    We keep the end to read from, too: writing to a pipe that nobody reads could be the end of the program (SIGPIPE).
    """
    _ended_later[:] = [pid for pid in _ended_later if not _has_ended(pid)]
    if not hasattr(os, "posix_spawn") or not sys.executable or getattr(sys, "frozen", False):
        raise OSError("there is no interpreter that could be started as a process of its own")
    from fcntl import F_DUPFD_CLOEXEC, fcntl

    listen, bell = os.pipe()
    own = []
    try:
        os.set_blocking(bell, False)
        # Copies of which none is 0, 1 or 2, also where the program has closed these.
        for fd in (ring, file, listen):
            own.append(fcntl(fd, F_DUPFD_CLOEXEC, 3))
        package = os.path.dirname(os.path.abspath(__file__))
        arguments = [str(number) for number in (*own, os.getpid(), place)]
        pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-I", "-S", "-c", _COMMAND, package, *arguments],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                *((os.POSIX_SPAWN_DUP2, fd, fd) for fd in own),  # to itself: it stays open in the other process
            ],
            setsid=True,  # the interrupt key and the hangup of a terminal are not for it
        )
    except BaseException as error:
        os.close(listen)
        os.close(bell)
        if isinstance(error, NotImplementedError):  # of setsid
            raise OSError("this system cannot start a process in a session of its own") from error
        raise
    finally:
        for fd in own:
            os.close(fd)
    return pid, [listen, bell]


def _has_ended(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG) != (0, 0)
    except ChildProcessError:
        return True  # and somebody else has waited for it


def _ring_bell(bell: list[int]) -> None:
    try:
        os.write(bell[1], b"!")
    except BlockingIOError:
        pass  # it rings already
