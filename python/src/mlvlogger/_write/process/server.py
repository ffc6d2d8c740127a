"""The other process of the process writer: it writes what the caller leaves in the ring, until that is gone or closed.

It looks every few milliseconds, so that no process must wake it. Records stay in the ring until their lines are in the
file: whoever comes after it, when it is killed, finds them there.

It believes no word of the ring that it can know itself, and writes no record whose checksum is wrong. If another
process has written into the ring, it ends, and the caller, which knows its records, writes the rest.
"""

from __future__ import annotations

import errno
import marshal
import os
import select
import time

from ..._disk.line_file import FileChanged, LineFile
from ..._disk.spawn import detach
from ..._format.line import line
from ..seals import Seals
from ..written import Written
from .ring import CLOSING, ERROR, HEAD, READY, SIZE, TAIL, TRIES, UNSEALED, Ring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

__all__ = ["serve"]

_RETRY = 0.05  # seconds from an error of the system to the next try
_TICK = 8  # milliseconds from look to look; an event is written at the second that sees it
_IDLE_TICK = 11  # the same, when nothing has come for a second
_SETTLED = 0.0005  # seconds after which what was put is visible to us in whole
_ORPHAN_PATIENCE = 60.0  # seconds that we try to write what there is, when the caller is gone
_DAMAGE_PATIENCE = 1.0  # seconds after which what was put, and is not there as it was put, never will be
_BATCH = 256 * 1024  # bytes written at once


def serve(ring: str, file: str, listen: str, owner: str, place: str) -> NoReturn:
    """The life of the other process: write what comes, until the owner has closed or is gone. Never returns."""
    detach([int(ring), int(file), int(listen)])
    written = Written(LineFile.from_descriptor(int(file), "the log"), int(place))
    _Server(Ring(int(ring)), written, int(listen)).run(int(owner))
    os._exit(0)


class _Server:
    def __init__(self, ring: Ring, written: Written, listen: int) -> None:
        self._ring = ring
        self._words = ring.words
        self._file = written.file
        self._written = written
        self._seals = Seals(written)
        self._listen = listen
        self._bell = select.poll()
        self._bell.register(listen, select.POLLIN)
        self._is_alone = False  # has the caller closed its end of the bell?
        self._tail = 0  # the value of TAIL, unless another process has written there
        self._ends: list[int] = []  # of the records whose lines we have tried to write last
        self._taken = 0  # records, which is lines that we have written
        self._tries = 0  # what TRIES says

    def run(self, owner: int) -> None:
        """Raises RuntimeError when what was put stays wrong."""
        words = self._words
        size = 1
        last_work = in_order = time.monotonic()
        while True:
            words[READY], words[TAIL] = 1, self._tail
            is_last = self._is_alone or os.getppid() != owner or words[CLOSING] == 1
            has_more = 0 < words[HEAD] - self._tail <= SIZE  # otherwise another process has written there
            present = time.monotonic()
            before = size
            try:
                size = self._write()
            except FileChanged:
                return  # the caller finds what is left in the ring, and continues in another file
            except (OSError, MemoryError) as error:
                words[ERROR] = getattr(error, "errno", errno.ENOMEM) or errno.EIO
                self._tries += 1
                words[TRIES] = self._tries
                if not is_last:
                    in_order = present
                elif present - in_order > _ORPHAN_PATIENCE:
                    return
                time.sleep(_RETRY)
                continue
            words[ERROR] = 0
            if size:
                last_work = present
            if size or not has_more:
                in_order = present
            elif present - in_order > _DAMAGE_PATIENCE:
                raise RuntimeError("the memory that is shared with the logger was changed by another process")
            if is_last and not (size or before or has_more):  # what was put last may be visible to us a moment later
                return
            if size <= _BATCH:  # otherwise the caller is faster than we are
                self._wait(is_last, present - last_work)

    def _wait(self, is_last: bool, idle: float) -> None:
        """Wait for the bell, or for the next time to look.

        Args:
            is_last: Whether nothing more is put.
            idle: The seconds in which nothing has come.
        """
        if is_last:
            time.sleep(_SETTLED)
        elif self._bell.poll(_TICK if idle < 1 else _IDLE_TICK):
            self._is_alone = not os.read(self._listen, 1024)

    def _write(self) -> int:
        """Write some of the waiting records. Returns how many bytes; raises OSError."""
        self._seals.settle()
        self._let_go()
        if (written := self._ring.written) is None:
            self._file.refresh()
        else:
            self._file.position = (written, self._file.lines)  # with a large line that the caller has written itself
        before = self._file.size
        lines: list[bytes] = []
        ends: list[int] = []
        size = 0
        for record, end in self._ring.take(self._tail):
            seq, nanoseconds, name, data, values, tail, *own = marshal.loads(record)
            if own:
                if lines:
                    break
                self._written.read_part(*own)
            if tail is None:
                if not lines:
                    self._ends = [end]
                    self._seals.write(seq, nanoseconds, name, data)
                break
            lines.append(line(seq, nanoseconds, name, data, values, tail))
            ends.append(end)
            size += len(lines[-1])
            if size > _BATCH:
                break
        if lines:
            self._ends = ends
            self._file.write(b"".join(lines), len(lines))
        self._words[UNSEALED] = self._seals.unsealed
        self._let_go()
        return self._file.size - before

    def _let_go(self) -> None:
        """Of the records whose lines are written."""
        if done := self._file.lines - self._taken:
            try:
                self._ring.note_digest(*self._written.part())
            except OSError:
                pass  # a part that the caller has written can't be read now
            self._ring.written = self._file.size
            self._tail = self._words[TAIL] = self._ends[done - 1]
            self._taken += done
            del self._ends[:done]
