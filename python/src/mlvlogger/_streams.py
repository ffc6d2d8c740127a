"""A stream: numbered events in one file, from `mlv/start` to a seal (specification 1.0, chapters Events and Lifecycle).

It gives each event its `seq` and time, seals, keeps what cannot be written for a while, and recovers what a crash left.
It knows JSON texts of events, not Python values; the values are the logger's, one floor up.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import os
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ._errors import InvalidRecord, LogClosed, StreamBusy, UnsupportedVersion, WriteFailed
from ._tails import SPEC_VERSION, Tail, scan
from ._values import EventRef, dumps, encode, warn
from ._writers import DirectWriter

__all__ = ["VERSION", "Stream", "host", "now"]

#: The version of mlvlogger.
VERSION = "0.1.0"

_SEAL_EVERY = 64 * 1024 * 1024  # `writer.seal-often`
_HASH_EVERY = 1024 * 1024  # so that no event waits for more than about a millisecond of hashing
_BACKLOG = 16 * 1024 * 1024  # bytes of events kept in memory while the system refuses to write
_CHUNK = 1024 * 1024
_MAX_REASON = 10_000  # characters


def now() -> str:
    """The present time as the specification writes it (`event.time`): UTC, six fraction digits, Z."""
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    return f"{_second(seconds)}.{nanoseconds // 1000:06}Z"


_last_second = (0, "1970-01-01T00:00:00")


def _second(seconds: int) -> str:
    # Most events come in the same second as the one before, and strftime is the dear part.
    global _last_second
    known, text = _last_second
    if known != seconds:
        text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
        _last_second = (seconds, text)
    return text


class Stream:
    """One stream, open for writing by one writer in one session.

    Args:
        path: The file.
        name: Its path in the experiment (``log/gpu.jsonl``), or of a bare log its file name.
        new: Make it and fail where it exists, or go on with it.
        experiment: The id, None for a bare log.
        record: Number and digest of the meta record the session runs under, None for a bare log.
        on_error: "warn": an event that cannot be written is kept in memory until it can, and a warning is given once
            per cause; "raise": it raises, and is not kept.
        sync: Each event is on the disk before its call returns.
        fork: Makes the file of a forked child's stream; its path and name.
        fork_of: The last event of the parent's stream.

    Raises:
        FileExistsError, FileNotFoundError: by *new*.
        StreamBusy: another writer has the stream; names its host and process.
        InvalidRecord: the file is not a stream.
        UnsupportedVersion: it is one of a version that cannot be gone on with (`writer.version`).
        OSError: it cannot be opened or written.
    """

    def __init__(
        self,
        path: Path,
        name: str,
        *,
        new: bool,
        experiment: str | None = None,
        record: Callable[[], tuple[int, str]] | None = None,
        on_error: str = "warn",
        sync: bool = False,
        fork: Callable[[], tuple[Path, str]] | None = None,
    ) -> None:
        self._experiment = experiment
        self._record = record
        self._raise = on_error == "raise"
        self._sync = sync
        self._fork = fork
        #: Held while an event is made; who holds it can rely on which spans are open.
        self.lock = threading.RLock()
        self._warned: set[str] = set()
        self._inherited: EventRef | None = None
        self._busy = False
        self._deferred: list[Callable[[], object]] = []
        self._held: list[tuple[str, str, str]] = []
        self._held_size = 0
        self._held_dropped = 0
        self._open(path, name, new, None)
        _follow_forks(self)

    def _open(self, path: Path, name: str, new: bool, fork_of: EventRef | None) -> None:
        self.path = path
        self.name = name
        try:
            self._writer = DirectWriter(path, new=new)
        except StreamBusy:
            raise StreamBusy(_busy(path)) from None
        try:
            tail, recovered = (Tail(), None) if new else self._recover()
            # What may still be refused is refused before anything is changed.
            start = dumps(self._start(recovered, fork_of))
            if recovered:
                self._writer.truncate(tail.size)
            self._begin(tail)
            self._writer.write(self._line(self.seq + 1, '"mlv/start"', start, ""))
            if self._sync:
                self._writer.sync()
            self._inherited = None
        except BaseException:
            self._writer.close()
            if new and not self._writer.size:
                path.unlink(missing_ok=True)  # nothing was ever in it, and the name is free for the next try
            raise

    def _begin(self, tail: Tail) -> None:
        # What belongs together is one tuple, so that an exception of a signal handler cannot come in between.
        #: The seq before the first line of this session; and, while an mlv/dropped is being written, the number of its
        #: line among ours and how many seqs it skips.
        self._numbering: tuple[int, tuple[int, int] | None] = (tail.seq, None)
        #: Place of the last seal, the offset up to which is hashed, and the hash of the bytes between the two.
        self._sealing = (tail.place, tail.place, hashlib.sha256())
        #: While a seal is being written: the number of its line among ours, and its place.
        self._new_seal: tuple[int, int] | None = None
        self._backlog: list[bytes] = []  # lines that could not be written yet, in order
        self._backlog_seq = 0  # the seq of the first of them
        self._backlog_size = 0
        self._dropped = 0  # events behind the backlog that could not be kept
        self._reasons: dict[str, int] = {}
        self.paused = False
        self.closed = False
        #: Changes with everything that ends open spans: a session, a rewind.
        self.session: object = object()

    def _recover(self) -> tuple[Tail, dict[str, Any] | None]:
        tail = scan(self.path)
        if tail.size and not tail.first:
            raise InvalidRecord(
                f"{self.path} is not an MLV stream: its first line is no mlv/start event. Log to another file."
            )
        if tail.refused is not None:
            raise UnsupportedVersion(f"{self.path}: {tail.refused}")
        if not tail.size and not _is_ours(self._writer.read(len(_BEGINNING), 0)):
            raise InvalidRecord(f"{self.path} is not an MLV stream: it does not begin as one. Log to another file.")
        torn = self._writer.size - tail.size
        if not torn:
            return tail, None
        digest = hashlib.sha256()
        for offset in range(tail.size, self._writer.size, _CHUNK):
            digest.update(self._writer.read(min(_CHUNK, self._writer.size - offset), offset))
        return tail, {"size": torn, "sha256": digest.hexdigest()}

    def _start(self, recovered: dict[str, Any] | None, fork_of: EventRef | None) -> dict[str, Any]:
        data: dict[str, Any] = {"mlv": SPEC_VERSION}
        if self._experiment is not None:
            data["experiment"] = self._experiment
        if self._record is not None:
            number, sha256 = self._record()
            data["record"] = {"number": number, "sha256": sha256}
        data["writer"] = {"name": "mlvlogger", "version": VERSION}
        data["host"] = encode(host(), path="host", depth=3)
        data["pid"] = os.getpid()
        if recovered:
            data["recovered"] = recovered
        if fork_of:
            data["fork_of"] = encode(fork_of, path="fork_of", depth=3)
        return data

    @property
    def seq(self) -> int:
        """The seq of the last line that is in the file."""
        base, gap = self._numbering
        lines = self._writer.lines
        return base + lines + (gap[1] if gap is not None and lines >= gap[0] else 0)

    @property
    def is_inherited(self) -> bool:
        """Is this a forked child that has not logged yet, so that the stream is still its parent's?"""
        return self._inherited is not None

    def append(self, event: str, data: str, tail: str = "") -> tuple[int | None, bool]:
        """Write one event.

        Args:
            event: Its name as JSON text, with quotes.
            data: Its data as JSON text.
            tail: Further members as JSON text, each with a comma in front.

        Returns:
            Its seq, None where it has none yet, and whether it is kept at the level of *sync*. Not kept are events that
            wait in memory; ones without a seq could not be kept in memory either, or come out of a signal handler that
            interrupted another event, and are written right after that.

        Raises:
            LogClosed: the stream was closed.
            WriteFailed: with ``on_error="raise"``.
        """
        with self.lock:
            if self.closed:
                raise LogClosed(
                    f"the event {event} came after {self.path} was closed. Log before close(), "
                    "or inside the with block."
                )
            if self._busy:
                self._deferred.append(lambda: self.append(event, data, tail))
                return None, False
            try:
                self._busy = True
                if self._inherited is not None and not self._open_child(event, data, tail):
                    return None, False
                return self._append(event, data, tail)
            finally:
                self._busy = (
                    False  # here, and not in a function: an exception of a signal handler may come at its entry
                )
                if self._deferred:
                    self._catch_up_with_handlers()

    def _catch_up_with_handlers(self) -> None:
        """What signal handlers wanted to log meanwhile comes now, in its order."""
        while self._deferred:
            try:
                self._deferred.pop(0)()
            except LogClosed as error:
                warn(str(error))

    def _settle(self) -> None:
        """Put things in order after an exception of a signal handler, at whatever point it came."""
        self._writer.settle()
        base, gap = self._numbering
        if gap is not None:
            if self._writer.lines >= gap[0]:
                self._dropped, self._reasons = 0, {}
                base += gap[1]
            self._numbering = (base, None)
        if self._new_seal is not None:
            line, place = self._new_seal
            if self._writer.lines >= line:
                self._sealing = (place, place, hashlib.sha256())
            self._new_seal = None

    def _line(self, seq: int, event: str, data: str, tail: str) -> bytes:
        return f'{{"seq":{seq},"time":"{now()}","event":{event},"data":{data}{tail}}}\n'.encode("ascii")

    def _append(self, event: str, data: str, tail: str) -> tuple[int | None, bool]:
        try:
            self._settle()
            self._clear_backlog()
            self._writer.write(self._line(seq := self.seq + 1, event, data, tail))
        except OSError as error:
            if self._raise:
                raise WriteFailed(
                    f"an event could not be written to {self.path}: {error}. Everything before it is intact; "
                    f"free what is missing and log again (last seq: {self.seq})."
                ) from error
            return self._keep(event, data, tail, error), False
        with contextlib.suppress(OSError):  # tried again with the next event; this one is written
            if self._writer.size - self._sealing[0] > _SEAL_EVERY:
                self._seal("mlv/seal", {})
            elif self._writer.size - self._sealing[1] > _HASH_EVERY:
                self._catch_up()
        return seq, not self._sync or self._synced()

    def _synced(self) -> bool:
        try:
            self._writer.sync()
        except OSError as error:
            message = (
                f"events of {self.path} are written, but may not be on the disk: {error}. Copy the file elsewhere."
            )
            if self._raise:
                raise WriteFailed(message) from error
            self._warn("sync", message)
            return False
        return True

    def _keep(self, event: str, data: str, tail: str, error: OSError) -> int | None:
        """Put an event that cannot be written behind the backlog, or count it as dropped when that is full.

        Returns its seq in the first case.
        """
        reason = error.strerror or type(error).__name__
        seq = self._next_seq()
        line = self._line(seq, event, data, tail)
        if not self._dropped and self._backlog_size + len(line) <= _BACKLOG:
            if not self._backlog:
                self._backlog_seq = seq
                atexit.register(self._last_try)
            self._backlog.append(line)
            self._backlog_size += len(line)
            kept = True
        else:
            self._dropped += 1
            self._reasons[reason] = self._reasons.get(reason, 0) + 1
            kept = False
        self._warn(
            reason,
            f"cannot write to {self.path}: {reason}. Events are kept in memory (up to {_BACKLOG // 2**20} MiB; what is "
            "more is counted as dropped) and written as soon as it works again.",
        )
        return seq if kept else None

    def _warn(self, cause: str, message: str) -> None:
        if cause not in self._warned:
            self._warned.add(cause)
            warn(message)

    def _next_seq(self) -> int:
        waiting = self._backlog_seq + len(self._backlog) - 1 if self._backlog else self.seq
        return waiting + self._dropped + 1

    def _clear_backlog(self) -> None:
        while self._backlog and self.seq + 1 < self._backlog_seq + len(self._backlog):
            self._writer.write(self._backlog[self.seq + 1 - self._backlog_seq])
        if self._backlog:
            self._backlog, self._backlog_size = [], 0
            atexit.unregister(self._last_try)
        if self._dropped:
            first, last = self.seq + 1, self.seq + self._dropped
            data = dumps({"first": first, "last": last, "reasons": self._reasons})
            self._numbering = (self._numbering[0], (self._writer.lines + 1, self._dropped))
            self._writer.write(self._line(last + 1, '"mlv/dropped"', data, ""))
            self._settle()

    def _last_try(self) -> None:
        if not self.closed and self._inherited is None:
            self.flush()

    def flush(self) -> None:
        """Write what waits, and with *sync* return when everything is on the disk.

        Raises WriteFailed, with ``on_error="raise"``, when that fails; otherwise warns.
        """
        with self.lock:
            if self.closed or self._inherited is not None or self._busy:
                return
            try:
                self._busy = True
                if self._write_waiting() and self._sync:
                    self._synced()
            finally:
                self._busy = False
                if self._deferred:
                    self._catch_up_with_handlers()

    def _write_waiting(self) -> bool:
        try:
            self._settle()
            self._clear_backlog()
        except OSError as error:
            self._fail(
                f"{len(self._backlog) + self._dropped} events could not be written to {self.path}: {error}. "
                f"Everything up to seq {self.seq} is intact.",
                error,
            )
            return False
        return True

    def _fail(self, message: str, error: OSError) -> None:
        if self._raise:
            raise WriteFailed(message) from error
        warn(message)

    def rewind(self, to: int, reason: str | None = None) -> int | None:
        """Supersede the user's events after the seq *to*; open spans stay unfinished (`rewind.to`)."""
        with self.lock:
            if not 0 <= to <= self.seq:
                raise ValueError(
                    f"cannot rewind {self.path} to {to!r}: its last seq is {self.seq}. "
                    "Give a seq that mark() returned for it."
                )
            seq = self._lifecycle("mlv/rewind", {"to": to}, reason)
            self.session = object()
            return seq

    def pause(self, paused: bool, reason: str | None) -> int | None:
        """Write `mlv/pause` or `mlv/resume`."""
        with self.lock:
            seq = self._lifecycle("mlv/pause" if paused else "mlv/resume", {}, reason)
            self.paused = paused
            return seq

    def _lifecycle(self, event: str, data: dict[str, Any], reason: str | None) -> int | None:
        if reason is not None:
            if not isinstance(reason, str):
                raise TypeError(f"reason is {reason!r}; it has to be a string.")
            data = {**data, "reason": reason[:_MAX_REASON].encode("utf-8", "backslashreplace").decode("utf-8")}
        seq, kept = self.append(f'"{event}"', dumps(data))
        return seq if kept else None

    def close(self, data: dict[str, Any] | None) -> None:
        """Seal the stream, with an `mlv/end` of *data* or, where that is None, as paused; and let go of it.

        A second call does nothing. In a forked child that has not logged, nothing is written.
        Raises WriteFailed, with ``on_error="raise"``, when not everything could be written; it is closed all the same.
        """
        with self.lock:
            if self.closed:
                self._writer.close()  # what an exception of a signal handler may have kept the first call from
                return
            if self._busy:
                self._deferred.append(lambda: self.close(data))
                return
            if self._inherited is not None:
                self.closed = True
                return
            try:
                self._busy = True
                if self._write_waiting():
                    self._seal("mlv/seal", {}) if data is None else self._seal("mlv/end", data)
                    if self._sync:
                        self._synced()
            except WriteFailed:
                raise
            except OSError as error:
                self._fail(f"{self.path} could not be sealed: {error}. Open and close it again to seal it.", error)
            finally:
                self.closed = True
                atexit.unregister(self._last_try)
                self._writer.close()
                self._busy = False
                if self._deferred:
                    self._catch_up_with_handlers()

    def _seal(self, event: str, data: dict[str, Any]) -> None:
        self._settle()
        self._catch_up()
        start, _, digest = self._sealing
        members = dumps({**data, "from": start})[:-1]
        head = f'{{"seq":{self.seq + 1},"time":"{now()}","event":"{event}","data":{members},"sha256":"'.encode("ascii")
        digest = digest.copy()
        digest.update(head)
        self._new_seal = (self._writer.lines + 1, self._writer.size + len(head))
        self._writer.write(head + digest.hexdigest().encode("ascii") + b'"}}\n')
        self._settle()

    def _catch_up(self) -> None:
        """Hash what was written since: the file's own bytes, so that a seal is about what a reader will see."""
        place, hashed, digest = self._sealing
        while hashed < self._writer.size:
            chunk = self._writer.read(min(_CHUNK, self._writer.size - hashed), hashed)
            if not chunk:
                raise OSError(f"{self.path} has become shorter: somebody else has cut it")
            digest = digest.copy()
            digest.update(chunk)
            hashed += len(chunk)
            self._sealing = (place, hashed, digest)

    def forked(self) -> None:
        """In a forked child: leave the parent's file alone; the first event opens a stream of the child's own."""
        self.lock = threading.RLock()  # another thread of the parent may have held it, in the middle of an event
        self._busy, self._deferred = False, []
        if self.closed:
            return
        if self._inherited is None:
            self._inherited = EventRef(self._experiment, self.name, max(self.seq, 1))
            self._writer.abandon()
        self.session = object()

    def _open_child(self, event: str, data: str, tail: str) -> bool:
        """Open the stream of a forked child; where that fails, hold the event until it works."""
        inherited, path, name = self._inherited, self.path, self.name
        if self._fork is None:
            raise LogClosed(f"{path} belongs to the process that opened it; open a log of its own in a forked one.")
        while True:
            try:
                self._open(*self._fork(), True, inherited)
                break
            except FileExistsError:
                continue  # another child was faster
            except OSError as error:
                self.path, self.name = path, name
                if self._raise:
                    raise WriteFailed(f"the forked process cannot open a stream beside {path}: {error}") from error
                if self._held_size + len(data) <= _BACKLOG:
                    self._held.append((event, data, tail))
                    self._held_size += len(data)
                else:
                    self._held_dropped += 1
                self._warn("fork", f"a forked process cannot open a stream beside {path}: {error}. Events are held.")
                return False
        held, self._held, self._held_size = self._held, [], 0
        for waiting in held:
            self._append(*waiting)
        if self._held_dropped:
            self._dropped, self._reasons = self._held_dropped, {"no stream": self._held_dropped}
            self._held_dropped = 0
        return True


_BEGINNING = b'{"seq":1,"time":"'


def _is_ours(beginning: bytes) -> bool:
    """May a file without a line feed be cut to nothing? The beginning of our own first line, or zeros of a crash."""
    return _BEGINNING.startswith(beginning) or not beginning.strip(b"\0")


def host() -> str:
    if hasattr(os, "uname"):
        return os.uname().nodename
    import socket  # Windows; milliseconds that nobody else has to pay

    return socket.gethostname()


def _busy(path: Path) -> str:
    start = scan(path).start or {}
    holder = f"process {start.get('pid')!r} on {start.get('host')!r} opened it last"
    return (
        f"{path} has a writer already ({holder}). Wait for its end, or log to a stream of your own: "
        "exp.stream(name), Exp.open(path)."
    )


_streams: weakref.WeakSet[Stream] = weakref.WeakSet()


def _follow_forks(stream: Stream) -> None:
    if not _streams and hasattr(os, "register_at_fork") and not getattr(_follow_forks, "registered", False):
        os.register_at_fork(after_in_child=_after_fork)
        _follow_forks.registered = True  # type: ignore[attr-defined]
    _streams.add(stream)


def _after_fork() -> None:
    for stream in list(_streams):
        stream.forked()
