"""The other process of the process writer: it writes what the caller leaves in the ring, until that is gone or closed.

It looks every few milliseconds, so that nobody has to wake it. Records stay in the ring until their lines are in the
file: whoever comes after it, when it is killed, finds them there.
"""

from __future__ import annotations

import marshal
import os
import select
import time

from ._line_file import LineFile
from ._lines import line
from ._ring import CLOSING, ERROR, HEAD, READY, TAIL, TRIES, UNSEALED, Ring
from ._seals import Seals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

__all__ = ["serve"]

_RETRY = 0.05  # seconds from an error of the system to the next try
_TICK = 8  # milliseconds from look to look; an event is written at the second that sees it
_IDLE_TICK = 11  # the same, when nothing has come for a second
_SETTLED = 0.0005  # seconds after which what was put is visible to us in whole
_ORPHAN_PATIENCE = 60.0  # seconds that we try to write what there is, when the caller is gone
_BATCH = 256 * 1024  # bytes written at once


def serve(ring: str, file: str, listen: str, owner: str, place: str) -> NoReturn:
    """The life of the other process: write what comes, until the owner has closed or is gone. Never returns."""
    import signal

    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"):
        # What ends the caller must not end us before we have written what it left. SIGKILL is for those who mean it.
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a limit of the file's size is an error, not an end
    keep = sorted(map(int, (ring, file, listen)))
    for low, high in zip([3, *(fd + 1 for fd in keep)], [*keep, 4096], strict=True):
        os.closerange(low, high)  # what the caller's libraries have left open
    os.chdir("/")  # whose directory can be removed or unmounted
    written = LineFile.of_descriptor(int(file), "the log")
    _Server(Ring(int(ring)), written, Seals(written, int(place)), int(listen)).run(int(owner))
    os._exit(0)


class _Server:
    def __init__(self, ring: Ring, file: LineFile, seals: Seals, listen: int) -> None:
        self._ring = ring
        self._words = ring.words
        self._file = file
        self._seals = seals
        self._listen = listen
        self._bell = select.poll()
        self._bell.register(listen, select.POLLIN)
        self._taken = 0  # records, which is lines that we have written

    def run(self, owner: int) -> None:
        words = self._words
        seen = words[TAIL]
        last_work = in_order = time.monotonic()
        words[READY] = 1
        while True:
            is_last = os.getppid() != owner or words[CLOSING] == 1
            # Not all that is put now may be visible to us in whole; what was put before we last looked is.
            ready, seen = seen, words[HEAD]
            present = time.monotonic()
            if words[TAIL] < ready:
                last_work = present
                try:
                    self._write(ready)
                except OSError as error:
                    words[ERROR] = error.errno or 5
                    words[TRIES] += 1
                    if not is_last:
                        in_order = present
                    elif present - in_order > _ORPHAN_PATIENCE:
                        return
                    time.sleep(_RETRY)
                    continue
                words[ERROR] = 0
            in_order = present
            if ready == seen == words[TAIL] and is_last:
                return
            is_idle = seen == words[TAIL] and present - last_work >= 1
            if is_last or self._wait(_IDLE_TICK if is_idle else _TICK):
                time.sleep(_SETTLED)

    def _wait(self, milliseconds: int) -> bool:
        """Wait for the bell. Returns whether it rang."""
        if self._words[HEAD] - self._words[TAIL] > _BATCH:
            return False  # the caller is faster than we are
        if not self._bell.poll(milliseconds):
            return False
        os.read(self._listen, 1024)
        return True

    def _write(self, until: int) -> None:
        """Write some of the records up to *until*; raises OSError."""
        self._seals.settle()
        self._let_go()
        self._file.look_again()  # at a large line that the caller has written itself
        lines: list[bytes] = []
        size = 0
        for record, _ in self._ring.take(until):
            seq, nanoseconds, event, data, values, tail = marshal.loads(record)
            if tail is None:
                if not lines:
                    self._seals.write(seq, nanoseconds, event, data)
                break
            lines.append(line(seq, nanoseconds, event, data, values, tail))
            size += len(lines[-1])
            if size > _BATCH:
                break
        if lines:
            self._file.write(b"".join(lines), len(lines))
            self._seals.keep_up()
        self._words[UNSEALED] = self._seals.unsealed
        self._let_go()

    def _let_go(self) -> None:
        """Of the records whose lines are written."""
        records = self._ring.take(self._words[HEAD])
        while self._taken < self._file.lines:
            self._words[TAIL] = next(records)[1]
            self._taken += 1
