"""The main loop of the writer process: it writes the records of the ring until the logger process closes it or exits.

It checks the ring every few milliseconds, so that the logger process need not wake it. Records stay in the ring until
their lines are in the file: if the writer process is killed, the logger process finds them there.

It uses no word of the ring that it can know otherwise, and writes no record whose checksum is wrong. If another program
has changed the ring, it exits with an error, and the logger process writes the rest from its own knowledge.
"""

from __future__ import annotations

import errno
import marshal
import os
import select
import time

from ..._disk.line_file import FileChanged, LineFile
from ..._disk.spawn import detach
from ..._disk.stream_lock import StreamLock
from ..._format.line import line
from ..seals import Seals
from ..unsealed_hash import UnsealedHash
from .ring import CLOSING, ERROR, HEAD, READY, SIZE, TAIL, TRIES, UNSEALED, Ring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

__all__ = ["serve"]

_RETRY = 0.05  # seconds from an error of the system to the next try
_TICK = 8  # milliseconds between checks of the ring
_IDLE_TICK = 11  # the same, after a second without records
_VISIBLE_AFTER = 0.0005  # seconds after which a record that another process put is visible in whole
_ORPHAN_TIMEOUT = 60.0  # seconds for which writing is retried after the logger process has exited
_DAMAGE_TIMEOUT = 1.0  # seconds after which a record that isn't intact counts as damaged
_LOCK_CHECK_INTERVAL = 0.9  # seconds (`writer.lock-check`)
_BATCH = 256 * 1024  # bytes written in one call


def serve(
    ring: str,
    file: str,
    wake_pipe: str,
    root: str,
    logger_pid: str,
    hash_start: str,
    lock_folder: str,
    lock_name: str,
    kernel_lock: str,
) -> NoReturn:
    """Run the writer process, and exit when all records are written.

    Args:
        ring: The descriptor of the ring. This and the following arguments are numbers, as text.
        file: The descriptor of the log file.
        wake_pipe: The reading end of the pipe that wakes this process.
        root: The descriptor of the directory that `lock_folder` is relative to.
        logger_pid: The process id of the logger process.
        hash_start: The offset at which the hash of the next seal begins (`UnsealedHash.start`).
        lock_folder: The path of the lock folder.
        lock_name: The name of the lock file of this process.
        kernel_lock: The lock of the operating system on the log file; empty if there is none.
    """
    detach([int(ring), int(file), int(wake_pipe), int(root)])
    lock = StreamLock.for_writer(int(root), lock_folder, lock_name, kernel_lock)
    try:
        unsealed_hash = UnsealedHash(LineFile.from_descriptor(int(file), "the log"), int(hash_start))
        _Server(Ring(int(ring)), unsealed_hash, int(wake_pipe), lock).run(int(logger_pid))
    finally:
        lock.release()
    os._exit(0)


class _Server:
    def __init__(self, ring: Ring, unsealed_hash: UnsealedHash, wake_pipe: int, lock: StreamLock) -> None:
        self._ring = ring
        self._words = ring.words
        self._file = unsealed_hash.file
        self._unsealed_hash = unsealed_hash
        self._seals = Seals(unsealed_hash)
        self._wake_pipe = wake_pipe
        self._lock = lock
        self._lock_checked_at = time.monotonic()
        self._poll = select.poll()
        self._poll.register(wake_pipe, select.POLLIN)
        self._is_pipe_closed = False  # whether the logger process has closed its end of the pipe
        self._tail = 0  # the right value of TAIL, which another program may change
        self._ends: list[int] = []  # the ends of the records of the last try to write
        self._taken = 0  # records, each of which is a line of this process
        self._tries = 0  # the right value of TRIES

    def run(self, logger_pid: int) -> None:
        """Write records until the logger process closes the ring or exits.

        Raises:
            RuntimeError: If a record stays damaged.
        """
        words = self._words
        size = 1
        last_work = in_order = time.monotonic()
        while True:
            words[READY], words[TAIL] = 1, self._tail
            is_last = self._is_pipe_closed or os.getppid() != logger_pid or words[CLOSING] == 1
            has_more = 0 < words[HEAD] - self._tail <= SIZE  # any other difference is another program's change
            present = time.monotonic()
            before = size
            try:
                size = self._write()
            except FileChanged:
                return  # the logger process finds the rest in the ring, and may continue in another file
            except (OSError, MemoryError) as error:
                words[ERROR] = getattr(error, "errno", errno.ENOMEM) or errno.EIO
                self._tries += 1
                words[TRIES] = self._tries
                if not is_last:
                    in_order = present
                elif present - in_order > _ORPHAN_TIMEOUT:
                    return
                time.sleep(_RETRY)
                continue
            words[ERROR] = 0
            if size:
                last_work = present
            if size or not has_more:
                in_order = present
            elif present - in_order > _DAMAGE_TIMEOUT:
                raise RuntimeError("the memory that is shared with the logger process was changed by another program")
            # One more round after the last write: the last record may become visible to this process a moment later.
            if is_last and not (size or before or has_more):
                return
            if size <= _BATCH:  # otherwise more records are waiting already
                self._wait(is_last, present - last_work)

    def _wait(self, is_last: bool, idle: float) -> None:
        """Wait until the logger process wakes this one, or until the next check is due.

        Args:
            is_last: Whether the logger process has put the last record.
            idle: Seconds since the last record.
        """
        if is_last:
            time.sleep(_VISIBLE_AFTER)
        elif self._poll.poll(_TICK if idle < 1 else _IDLE_TICK):
            self._is_pipe_closed = not os.read(self._wake_pipe, 1024)

    def _write(self) -> int:
        """Write some of the waiting records, and return how many bytes were written.

        Raises:
            FileChanged: If another program changed the file, or another writer has the lock.
            OSError: If the system refuses.
        """
        if time.monotonic() - self._lock_checked_at > _LOCK_CHECK_INTERVAL and self._words[HEAD] != self._tail:
            if not self._lock.check():
                raise FileChanged("taken over")
            self._lock_checked_at = time.monotonic()
        self._seals.settle()
        self._release_written()
        self._ring.apply_log_size(self._file)
        before = self._file.size
        lines: list[bytes] = []
        ends: list[int] = []
        size = 0
        for record, end in self._ring.records_from(self._tail):
            seq, nanoseconds, name, data, values, span_members, *direct_range = marshal.loads(record)
            if direct_range:
                if lines:
                    break
                # The logger process may have written this range after the last update.
                self._ring.apply_log_size(self._file)
                before = self._file.size
                self._unsealed_hash.read_rest(*direct_range)
            if span_members is None:  # a seal
                if not lines:
                    self._ends = [end]
                    self._seals.write(seq, nanoseconds, name, data)
                break
            lines.append(line(seq, nanoseconds, name, data, values, span_members))
            ends.append(end)
            size += len(lines[-1])
            if size > _BATCH:
                break
        if lines:
            self._ends = ends
            self._file.write(b"".join(lines), len(lines))
        self._words[UNSEALED] = self._seals.unsealed_size
        self._release_written()
        return self._file.size - before

    def _release_written(self) -> None:
        """Release the space of the records whose lines are in the file."""
        if done := self._file.lines - self._taken:
            try:
                self._ring.store_digest(*self._unsealed_hash.digest())
            except OSError:
                pass  # bytes that the logger process wrote can't be read now
            self._ring.log_size = self._file.size
            self._tail = self._words[TAIL] = self._ends[done - 1]
            self._taken += done
            del self._ends[:done]
