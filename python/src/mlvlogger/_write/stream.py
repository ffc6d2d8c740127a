"""A stream: numbered events in one file, from `mlv/start` to a seal (specification 1.0, chapters Events and Lifecycle).

It gives each event its `seq` and time, keeps what cannot be written for a while, and recovers what a crash left.
It knows JSON texts of events and plain data; Python's other values are the logger's, one floor up.
"""

from __future__ import annotations

import atexit
import errno
import os
import sys
import time
from _thread import RLock  # what `threading` gives too, which takes milliseconds to import
from _weakrefset import WeakSet

from .._disk.folder import Folder, identity, open_regular, temporary_name
from .._disk.host import host
from .._disk.line_file import FileChanged, LineFile
from .._disk.publish import link
from .._errors import InvalidRecord, LogClosed, StreamBusy, UnsupportedVersion, WriteFailed
from .._format.encode import encode
from .._format.json import dumps
from .._format.line import Pending
from .._format.references import EventRef
from .._messages import warn
from .._version import SPEC_VERSION, __version__
from .direct import DirectWriter
from .exceptions import preload
from .recovery import Tail, scan_file
from .seals import new_digest
from .writer import put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, NoReturn, TypeAlias

    from .._format.line import Numbered, Numbers
    from .process.client import ProcessWriter

    #: Gives the tail for `line`, or None to write nothing.
    _Tail: TypeAlias = Callable[[], bytes | None]
    #: Appends an event whose tail isn't known yet, and returns what `Stream.append` returns.
    _Append: TypeAlias = Callable[[Pending, _Tail | None], tuple[int | None, bool]]

__all__ = ["Stream"]

_PATIENCE = 5.0  # seconds to wait for a lock that belongs to nobody alive
_BACKLOG = 16 * 1024 * 1024  # bytes of events kept in memory while the system refuses to write
_CHUNK = 1024 * 1024
_MAX_COPY = 1024 * 1024 * 1024  # bytes of a log that is copied when another program has removed or replaced it
_RETRY = 1.0  # seconds after which continuing elsewhere is tried again, when it failed
_MAX_TRIES = 1000  # for a name that nobody has
_LAST_PATIENCE = 0.5  # seconds, as the program ends, for a thread that may have stopped for good
_MAX_REASON = 10_000  # characters


class Stream:
    """One stream, open for writing by one writer in one session.

    Args:
        root: The experiment's directory, or that of a bare log.
        name: Its path in there: ``log/gpu.jsonl``.
        new: Make it and fail where it exists, or go on with it.
        experiment: The id, None for a bare log.
        record: Gives number and digest of the meta record that the session runs under; asked once, when the stream is
            ours and before anything is written to it. None for a bare log.
        on_error: "warn": an event that cannot be written is kept in memory until it can, and a warning is given once
            per cause; "raise": it raises, and is not kept.
        sync: Each event is on the disk before its call returns; with the process writer, when it is flushed.
        process: Let another process write. Where none can be started, a warning says so, and this one writes.

    Raises:
        FileExistsError, FileNotFoundError: by *new*.
        StreamBusy: another writer has the stream; names its host and process.
        InvalidRecord: the file is not a stream.
        UnsupportedVersion: it is one of a version that cannot be gone on with (`writer.version`).
        OSError: it cannot be opened or written.
    """

    def __init__(
        self,
        root: Folder,
        name: str,
        *,
        new: bool,
        experiment: str | None = None,
        record: Callable[[], tuple[int, str]] | None = None,
        on_error: str = "warn",
        sync: bool = False,
        process: bool = False,
    ) -> None:
        self._root = root
        self._first_name = name
        self._experiment = experiment
        # What it was told, not who told it: a stream that refers to its experiment would live as long as that.
        self._record: tuple[int, str] | None = None
        self._raise = on_error == "raise"
        self._sync = sync
        self._process = process
        #: Held while an event is made; who holds it can rely on which spans are open.
        self.lock: RLock | _LastLock = RLock()
        self._warned: set[str] = set()
        self._inherited: EventRef | None = None
        self._busy = False
        self._deferred: list[Callable[[], object]] = []
        self._held: list[Pending] = []
        self._held_size = 0
        self._held_dropped = 0
        #: Streams that this one took the place of (`writer.kept-stream`), and whether it has all their lines, too.
        self.replaced: dict[str, bool] = {}
        self._published_again = False
        self._is_away = False  # isn't the file at its path, and could we not continue elsewhere?
        self._retry_at = 0.0  # time.monotonic, for trying that again
        self._trouble = OSError()  # with which it failed last
        self._news: list[str] = []  # what happened to the file, and is to be reported
        self._open(name, new, record, None)
        _watch(self)

    @property
    def path(self) -> str:
        """The path of the file now."""
        return os.path.join(self._root.path, self.name)

    def _open(
        self, name: str, new: bool, record: Callable[[], tuple[int, str]] | None, fork_of: EventRef | None
    ) -> None:
        #: Its path below the root.
        self.name: str = name
        file = self._lock_file(name, new)
        try:
            tail, recovered = (Tail(), None) if new else self._recover(file)
            if record is not None:
                self._record = record()
            # What may still be refused is refused before anything is changed.
            start = self._start(recovered=recovered, fork_of=fork_of)
            if recovered:
                file.truncate(tail.size)
            self._begin(file, tail)
            put(self._writer, time.time_ns(), start)
            if self._sync:
                self._writer.sync()
                with self._folder() as folder:
                    folder.sync()
            if self._process and fork_of is None:
                self._let_process_write(file, tail.place)
            self._inherited = None
            self._calm = True
        except BaseException:
            file.close()
            if new and not file.size:
                with self._folder() as folder:
                    folder.remove(name.rpartition("/")[2])  # nothing was ever in it, and the name is free
            raise

    def _folder(self) -> Folder:
        """The folder in which the file is."""
        return Folder(self._root, *self.name.split("/")[:-1])

    def _lock_file(self, name: str, new: bool) -> LineFile:
        until = time.monotonic() + _PATIENCE
        holder: dict[str, Any] | None = None
        while True:
            try:
                return LineFile(name, new=new, root=self._root)
            except StreamBusy:
                # Of a logger that is gone, the writer process may be at work for some milliseconds more.
                holder = self._holder() if holder is None else holder
                if time.monotonic() > until or not self._is_gone(holder):
                    raise StreamBusy(self._who_has_it()) from None
                time.sleep(0.005)

    def _holder(self) -> dict[str, Any]:
        """The data of the last mlv/start in the file."""
        with open_regular(self._root.at(self.name), dir_fd=self._root.fd) as file:
            return scan_file(file).start or {}

    def _is_gone(self, start: dict[str, Any]) -> bool:
        """Whether the logger that opened a stream is gone, as far as can be told: False if it is another host's."""
        pid = start.get("pid")
        if start.get("host") != host() or type(pid) is not int or not hasattr(os, "posix_spawn"):
            return False
        if pid == os.getpid():
            return not self._is_open_here()
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        except (OSError, OverflowError):
            pass
        return False

    def _is_open_here(self) -> bool:
        """Whether another stream of this process has the file."""
        mine = identity(self._root.stat(self.name))
        return any(stream.file_identity == mine for stream in list(_streams) if not stream.closed)

    def _who_has_it(self) -> str:
        start = self._holder()
        if start.get("host") == host() and start.get("pid") == os.getpid() and self._is_open_here():
            return (
                f"{self.path}: this process ({os.getpid()}) has the log open already, as after a notebook cell that "
                "ran twice. Close the earlier Exp or Logger first: call close() on it."
            )
        return (
            f"{self.path}: another writer has the log (process {start.get('pid')!r} on {start.get('host')!r} opened it "
            "last). Wait until it ends, or log to a separate stream: exp.stream(name), Exp.open(path)."
        )

    @property
    def file_identity(self) -> tuple[int, int]:
        """Device and inode of the file."""
        return self._writer.file.identity

    def _begin(self, file: LineFile, tail: Tail) -> None:
        self._writer: DirectWriter | ProcessWriter = DirectWriter(file, tail.seq, tail.place)
        #: Nothing is closed, inherited, waiting or dropped: an event can go straight to the writer.
        self._calm = False
        self._backlog: list[Numbered] = []  # events that could not be written yet, in order
        self._backlog_size = 0
        self._dropped = 0  # events behind the backlog that could not be kept
        self._reasons: dict[str, int] = {}
        self._told = 0  # the seq of the mlv/dropped that tells of them, once it is being written
        self.paused: bool = False
        self.closed: bool = False
        self._closing: tuple[dict[str, Any] | None] | tuple[()] = ()  # what `close` was called with
        self._end_seq = 0  # of the end, once it is being written
        #: Changes with everything that ends open spans: a session, a rewind.
        self.session: object = object()

    def _let_process_write(self, file: LineFile, place: int) -> None:
        try:
            from .process.client import ProcessWriter

            self._writer = ProcessWriter(file, self.seq, place)
        except Exception as error:  # a limit on descriptors, memory or sizes shows in many ways, also while importing
            reason = error if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
            warn(f"no process could be started to write {self.path}: {reason}. This one writes its events directly.")

    def _recover(self, file: LineFile) -> tuple[Tail, dict[str, Any] | None]:
        with file.reader() as reader:
            tail = scan_file(reader)
        if tail.size and not tail.first:
            raise InvalidRecord(
                f"{self.path} is not an MLV stream: its first line is no mlv/start event. Log to another file."
            )
        if tail.refused is not None:
            raise UnsupportedVersion(f"{self.path}: {tail.refused}")
        if not tail.size and not _is_ours(file.read(len(_BEGINNING), 0)):
            raise InvalidRecord(f"{self.path} is not an MLV stream: it does not begin as one. Log to another file.")
        torn = file.size - tail.size
        if not torn:
            return tail, None
        digest = new_digest()
        for offset in range(tail.size, file.size, _CHUNK):
            digest.update(file.read(min(_CHUNK, file.size - offset), offset))
        return tail, {"size": torn, "sha256": digest.hexdigest()}

    def _start(
        self,
        *,
        recovered: dict[str, Any] | None = None,
        fork_of: EventRef | None = None,
        replaces: dict[str, Any] | None = None,
    ) -> Pending:
        data: dict[str, Any] = {"mlv": SPEC_VERSION}
        if self._experiment is not None:
            data["experiment"] = self._experiment
        if self._record is not None:
            number, sha256 = self._record
            data["record"] = {"number": number, "sha256": sha256}
        data["writer"] = {"name": "mlvlogger", "version": __version__}
        data["host"] = encode(host(), path="host", depth=3)
        data["pid"] = os.getpid()
        if recovered:
            data["recovered"] = recovered
        if fork_of:
            data["fork_of"] = encode(fork_of, path="fork_of", depth=3)
        if replaces:
            data["replaces"] = replaces
        return Pending(b'"mlv/start"', dumps(data).encode("ascii"))

    @property
    def seq(self) -> int:
        """The last seq that the writer has taken."""
        return self._writer.seq

    @property
    def is_inherited(self) -> bool:
        """Is this a forked child that has not logged yet, so that the stream is still its parent's?"""
        return self._inherited is not None

    def append(
        self, name: bytes, data: bytes, values: Numbers | None = None, tail: _Tail | None = None
    ) -> tuple[int | None, bool]:
        """Write one event.

        Args:
            name, data, values: As for `Pending`.
            tail: Gives the tail, or None to write nothing, at a moment when nobody else writes to the stream, no signal
                handler either.

        Returns:
            Its seq, None where it has none yet, and whether it is kept at the level of *sync*. Not kept are events that
            wait in memory; ones without a seq could not be kept in memory either, or come out of a signal handler that
            interrupted another event, and are written right after that.

        Raises:
            LogClosed: the stream was closed.
            WriteFailed: with ``on_error="raise"``.
        """
        with self.lock:
            if self._busy or self._deferred or not self._calm:
                return self._append_slow(Pending(name, data, values), tail)
            self._busy = True
            text, writer = b"", self._writer
            try:
                if tail is not None:
                    if (told := tail()) is None:
                        return None, False
                    text = told
                seq = writer.put(time.time_ns(), name, data, values, text)
                if writer.is_seal_due or self._sync:
                    return seq, self._follow_up()
                return seq, True
            except (OSError, TypeError, ValueError) as error:  # of memory that is closed, too
                if self._inherited is not None or self._writer is not writer:
                    # A signal handler has forked meanwhile, and this is the child.
                    return self._append_slow(Pending(name, data, values), tail)
                if isinstance(error, FileChanged):
                    return self._write(Pending(name, data, values, text), tail)
                if not isinstance(error, OSError):
                    raise
                return self._keep(Pending(name, data, values, text), error), False
            finally:
                self._busy = False
                if self._deferred:
                    self._catch_up_with_handlers()

    def _append_slow(self, event: Pending, tail: _Tail | None) -> tuple[int | None, bool]:
        if self._busy:
            if self.closed:
                self._refuse(event)
            self._deferred.append(lambda: self._append_locked(event, tail))
            return None, False
        self._catch_up_with_handlers()
        self._busy = True
        try:
            return self._append_locked(event, tail)
        finally:
            # Here, and not in a function: an exception of a signal handler may come at its entry.
            self._busy = False
            if self._deferred:
                self._catch_up_with_handlers()

    def _append_locked(self, event: Pending, tail: _Tail | None) -> tuple[int | None, bool]:
        """As `append`, for a caller who has made the stream busy."""
        if self.closed or self._has_ended:
            self._refuse(event)
        self._end_seq, self._closing = 0, ()  # an interrupted `close` that has come to nothing
        text = b"" if tail is None else tail()
        if text is None:
            return None, False
        event = event.with_tail(text)
        if self._inherited is not None and not self._open_child(event):
            return None, False
        return self._write(event, tail)

    def _refuse(self, event: Pending) -> NoReturn:
        raise LogClosed(
            f"the event {event.name.decode('ascii')} came after {self.path} was closed. Log before close(), "
            "or inside the with block."
        )

    def _write(self, event: Pending, tail: _Tail | None = None) -> tuple[int | None, bool]:
        session = self.session
        try:
            self._put_in_order(at_once=False)
            self._report()
            if self.session is not session:  # the spans are over; what ends one becomes an event
                if event.name == b'"mlv/rewind"':
                    return None, False  # to a line that isn't in this file
                event = event.with_tail((tail() if tail is not None else None) or b"")
            seq = put(self._writer, time.time_ns(), event)
        except WriteFailed:
            raise
        except OSError as error:
            return self._keep(event, error), False
        return seq, self._follow_up()

    def _follow_up(self) -> bool:
        """After an event: seal and sync where it is time. Returns whether it is kept at the level of *sync*."""
        if self._writer.is_seal_due:
            self._calm = False  # so that the next event tries again
            try:
                self._writer.check()
                self._seal(b"mlv/seal", {})
                self._calm = True
            except OSError:
                pass  # tried again later; the event is written
        return not self._sync or not self._writer.syncs_events or self._synced()

    def _catch_up_with_handlers(self) -> None:
        """What signal handlers wanted to log meanwhile comes now, in its order.

        What a handler logs during one of these comes behind all of them, and before the next, it begins with them.
        """
        while self._deferred:
            self._busy = True
            try:
                if self._deferred:  # a handler may just have caught up itself
                    self._deferred.pop(0)()
            except (LogClosed, ValueError) as error:
                warn(str(error))
            finally:
                self._busy = False

    def _put_in_order(self, at_once: bool = True) -> None:
        """After an error, or an exception of a signal handler wherever it came; and write what waits.

        Args:
            at_once: Try again what has just failed; otherwise only after a second, for events that come quickly.
        """
        self._calm = False
        try:
            self._writer.settle()
            self._writer.check()
        except FileChanged as change:
            if not at_once and time.monotonic() < self._retry_at:
                raise self._trouble from None
            self._is_away = True
            try:
                self._continue_elsewhere(change)
            except OSError as error:
                self._trouble, self._retry_at = error, time.monotonic() + _RETRY
                raise
            self._is_away = False
        if self._told and self.seq >= self._told:
            self._dropped, self._reasons = 0, {}
        self._told = 0
        while self._backlog and (done := self.seq + 1 - self._backlog[0][0]) < len(self._backlog):
            _, nanoseconds, event = self._backlog[done]
            put(self._writer, nanoseconds, event)
        if self._backlog:
            self._backlog, self._backlog_size = [], 0
        if self._dropped:
            first, last = self.seq + 1, self.seq + self._dropped
            data = dumps({"first": first, "last": last, "reasons": self._reasons}).encode("ascii")
            self._told = last + 1
            put(self._writer, time.time_ns(), Pending(b'"mlv/dropped"', data), self._dropped)
            self._writer.settle()
            self._dropped, self._reasons, self._told = 0, {}, 0
        self._calm = True

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

    def _keep(self, event: Pending, error: OSError) -> int | None:
        """Put an event that cannot be written behind the backlog, or count it as dropped when that is full.

        Returns its seq in the first case. Raises WriteFailed, with ``on_error="raise"``.
        """
        self._calm = False
        if self._raise:
            rest = (
                self._at_risk()
                or f"Everything before it is intact; free what is missing and log again (last seq: {self.seq})."
            )
            raise WriteFailed(f"an event could not be written to {self.path}: {error}. {rest}") from error
        nanoseconds = time.time_ns()
        reason = (error.strerror or str(error) or type(error).__name__).rstrip(".")
        seq = self._next_seq()
        size = len(event.render(seq, nanoseconds))
        if not self._dropped and self._backlog_size + size <= _BACKLOG:
            self._backlog.append((seq, nanoseconds, event))
            self._backlog_size += size
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
        waiting = self._backlog[-1][0] if self._backlog else self.seq
        return waiting + self._dropped + 1

    def prepare_for_exit(self) -> None:
        """Before the interpreter ends: what its finalizers log and close has to work, and daemon threads stop."""
        if self.closed or self._inherited is not None:
            return
        if self._closing:
            self.close(*self._closing)  # as was asked for, before an exception of a signal handler came
            return
        lock: Any = self.lock
        if lock.acquire(timeout=_LAST_PATIENCE):
            try:
                self.flush()
            finally:
                lock.release()
        new_digest()  # for a seal; and what an end needs: later nothing can be imported any more
        if getattr(sys, "last_type", None) is not KeyboardInterrupt:
            # An import that evaluates text, and this is one, makes CPython forget to end by the signal: the exit code
            # would be 1. What the program was interrupted by stands on the terminal.
            preload()
        self.lock = _LastLock(self)

    def __del__(self) -> None:
        # Dropped without `close`: what waits is written, if that works, and nobody has to wait for the file's lock.
        if not getattr(self, "closed", True) and self._inherited is None and not sys.is_finalizing():
            try:
                self.flush()
                self._writer.close()
            except Exception as error:  # nobody is there to catch it
                warn(f"{self.path} could not be flushed: {error}. Call close() on the Exp or Logger.")

    def forget_others(self) -> None:
        """A thread that has stopped for good, in the middle of an event perhaps, does not go on with it."""
        self.lock = RLock()
        self._busy, self._deferred = False, []
        self._calm = False

    def flush(self) -> None:
        """Write what waits; return when everything is in the kernel, and with *sync*, on the disk.

        Raises WriteFailed, with ``on_error="raise"``, when that fails; otherwise warns.
        """
        with self.lock:
            if self.closed or self._inherited is not None or self._busy:
                return
            if self._deferred:
                self._catch_up_with_handlers()
            try:
                self._busy = True
                if self._write_waiting() and self._sync:
                    self._synced()
                self._report()
            finally:
                self._busy = False
                if self._deferred:
                    self._catch_up_with_handlers()

    def _write_waiting(self) -> bool:
        try:
            if self._backlog or self._dropped:
                self._writer.drain()  # a process that writes finds out within a moment that it works again
            self._put_in_order()
        except OSError as error:
            waiting = len(self._backlog) + self._dropped
            what = f"{waiting} events could not be written" if waiting else "the log could not be put in order"
            rest = self._at_risk() or "It is tried again with the next event."
            self._fail(f"{self.path}: {what}: {error}. {rest}", error)
            return False
        try:
            self._writer.drain()
        except FileChanged:  # the other process has found it
            return self._write_waiting()
        except OSError as error:
            self._fail(
                f"events could not be written to {self.path}: {error}. The writer process goes on trying.", error
            )
            return False
        return True

    def _at_risk(self) -> str:
        """What a message says of the events that were acknowledged; empty if they are where they should be."""
        if not self._is_away:
            return ""
        return (
            f"The log isn't at its path, and its events up to seq {self.seq} are lost if this doesn't work before "
            "close() or the end of the program. Free what is missing, and call flush()."
        )

    def _fail(self, message: str, error: OSError) -> None:
        if self._raise:
            raise WriteFailed(message) from error
        if not (isinstance(error, FileNotFoundError) and error.strerror in self._warned):  # the directory is gone
            warn(message)

    def rewind(self, to: int, reason: str | None = None) -> int | None:
        """Supersede the user's events after the seq *to*; open spans stay unfinished (`rewind.to`)."""
        with self.lock:
            if self._busy:
                self._deferred.append(lambda: self._rewind(to, reason, self._append_locked))
                return None
            self.flush()  # where the file is another one now, the number is none of it
            return self._rewind(to, reason, self._append_event)

    def _rewind(self, to: int, reason: str | None, append: _Append) -> int | None:
        if not 0 <= to <= self.seq:
            raise ValueError(
                f"cannot rewind {self.path} to {to!r}: its last seq is {self.seq}. "
                "Give a seq that mark() returned for it."
            )
        return _lifecycle(append, b"mlv/rewind", {"to": to}, reason, self._end_spans)

    def _append_event(self, event: Pending, tail: _Tail | None) -> tuple[int | None, bool]:
        return self.append(event.name, event.data, event.values, tail)

    def _end_spans(self) -> bytes:
        self.session = object()
        return b""

    def pause(self, paused: bool, reason: str | None) -> int | None:
        """Write `mlv/pause` or `mlv/resume`; nothing for a forked child that has not logged: its parent goes on."""
        with self.lock:
            if self._inherited is not None and not self.closed:
                return None
            seq = _lifecycle(self._append_event, b"mlv/pause" if paused else b"mlv/resume", {}, reason)
            self.paused = paused
            return seq

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
                self._deferred.append(lambda: self._close(data))
                return
            if self._deferred:
                self._catch_up_with_handlers()
            try:
                self._busy = True
                self._close(data)
            finally:
                self._busy = False
                if self._deferred:
                    self._catch_up_with_handlers()

    @property
    def _has_ended(self) -> bool:
        """Whether the end is recorded: after a `close` that an exception of a signal handler interrupted, too."""
        if not self._end_seq:
            return False
        self._writer.settle()
        return self.seq >= self._end_seq

    def _close(self, data: dict[str, Any] | None) -> None:
        if self.closed:
            return
        if self._inherited is not None:
            self.closed = True  # and never calm
            return
        self._calm = False
        self._closing = self._closing or (data,)
        try:
            if not self._has_ended and self._write_waiting():
                self._end_seq = self.seq + 1
                self._seal(b"mlv/seal", {}) if data is None else self._seal(b"mlv/end", data)
            if self._has_ended:
                self._writer.drain()
                if self._sync:
                    self._synced()
        except WriteFailed:
            self._let_go()
            raise
        except OSError as error:
            self._let_go()
            self._fail(f"{self.path} could not be sealed: {error}. Open and close it again to seal it.", error)
        # An exception of a signal handler passes: the stream is open still, and `close` can be called again.
        self._let_go()
        self._report()

    def _let_go(self) -> None:
        if self.closed:
            return
        self.closed = True
        try:
            self._writer.close()
        except OSError as error:
            self._fail(f"{self.path} could not be closed in order: {error}. Open and close it again.", error)

    def _seal(self, event: bytes, data: dict[str, Any]) -> None:
        members = dumps(data)[1:-1].encode("ascii") + b"," if data else b""
        self._calm = False  # until it is written or given up: an exception may come in between
        self._writer.seal(time.time_ns(), b'"%b"' % event, members)

    def _continue_elsewhere(self, change: FileChanged) -> None:
        """Our file isn't at our path any more: publish it there again, or continue in a new stream.

        Raises OSError if neither works. Nothing is written then (`writer.file-own`), and it is tried again.
        """
        last = self.seq
        if type(self._writer) is not DirectWriter:
            self._take_writing_back()
            try:
                self._writer.check()
            except FileChanged as again:
                change = again
        if self._root.is_removed:
            gone = "The directory was removed by another program"
            if not self._raise:
                self._warn(
                    gone,
                    f"{self._root.path}: {gone[0].lower()}{gone[1:]}, with what was logged. It isn't made "
                    "again, and events are lost from here on. Use a savedir that no other program cleans up.",
                )
            raise FileNotFoundError(errno.ENOENT, gone, self._root.path)
        how, old, path = change.how, self._writer.file, self.path
        is_whole = how in ("removed", "replaced") and old.size <= _MAX_COPY
        is_again = False
        try:
            is_again = how == "removed" and is_whole and not self._published_again and self._publish(self.name, None)
            if not is_again:
                self._publish_kept(is_whole, {"stream": self.name, "last": last})
        except FileChanged:
            is_whole = False
            self._publish_kept(is_whole, {"stream": self.name, "last": last})
        self._published_again = is_again
        if is_again:
            what = f"Its {old.size} bytes were written again under the same name, and logging continues there"
        else:
            what = f"Logging continues in {self.path}, which " + (
                "begins with all events of the old file" if is_whole else f"follows event {last} of the old file"
            )
        self._news.append(
            f"{path} was {how} by another program. {what}. Keep other programs, such as log rotation, cleaners and "
            "editors, away from logs that are being written."
        )

    def _take_writing_back(self) -> None:
        """From another process that writes: its file is ours again, and what it hasn't written waits."""
        file, place, seq, waiting = self._writer.hand_over()  # type: ignore[union-attr]
        self._writer = DirectWriter(file, seq, place)
        for _, _, event in waiting:
            if event.name == b'"mlv/dropped"':  # it is about numbers of the old file
                self._dropped += _count(event.data)
                self._reasons["another program changed the log"] = self._dropped
        waiting = [numbered for numbered in waiting if numbered[2].name != b'"mlv/dropped"']
        both = enumerate([*waiting, *self._backlog], seq + 1)
        self._backlog = [(number, nanoseconds, event) for number, (_, nanoseconds, event) in both]
        self._backlog_size += sum(len(event.name) + len(event.data) for _, _, event in waiting)

    def _publish_kept(self, is_whole: bool, replaces: dict[str, Any]) -> None:
        """Continue in a new stream, which says whose place it takes (`writer.kept-stream`). Raises OSError."""
        old_name, old_seq = self.name, self.seq
        start = self._start(replaces=replaces)
        for name in self._free_names("kept"):
            if self._publish(name, start, is_whole):
                break
        self.replaced = {name: has and is_whole for name, has in self.replaced.items()} | {old_name: is_whole}
        self.session = object()
        # What waits comes behind the start, and in no span: their beginnings may be in the old file.
        done = max(old_seq + 1 - self._backlog[0][0], 0) if self._backlog else 0
        waiting = enumerate(self._backlog[done:], self.seq + 1)
        self._backlog = [(number, at, event.with_tail(b"")) for number, (_, at, event) in waiting]

    def _publish(self, name: str, start: Pending | None, is_whole: bool = True) -> bool:
        """Make a file of the lines of ours (with *is_whole*) and an `mlv/start` (with *start*), and continue in it.

        Returns False if somebody has the name. Raises OSError; then everything is as it was, and nothing of it left.
        """
        old = self._writer.file
        *folders, last = name.split("/")
        temporary = "/".join([*folders, temporary_name()])
        file: LineFile | None = None
        with Folder(self._root, *folders) as folder:
            try:
                file = LineFile(temporary, new=True, root=self._root)
                if is_whole:
                    for offset in range(0, old.size, _CHUNK):
                        file.write(old.read(min(_CHUNK, old.size - offset), offset), 0)
                    if file.size != old.size:
                        raise FileChanged("truncated")  # too
                seq, place = (self.seq, self._writer.place) if is_whole else (0, 0)  # type: ignore[union-attr]
                writer = DirectWriter(file, seq, place)
                if start is not None:
                    put(writer, time.time_ns(), start)
                file.sync()
                link(folder, temporary.rpartition("/")[2], folder, last)
            except BaseException as error:
                if file is not None:
                    file.abandon()
                if isinstance(error, FileExistsError):
                    return False
                raise
            finally:
                folder.remove(temporary.rpartition("/")[2])
        file.name = self.name = name
        self._writer = writer
        self._told = 0
        old.abandon()
        if self._process:
            self._let_process_write(file, writer.place)
        return True

    def _free_names(self, kind: str) -> Iterator[str]:
        """Names that no stream has: ``log/fork-1.jsonl`` of an experiment, ``train.fork-1.jsonl`` of a bare log.

        Raises OSError if somebody else takes each of them.
        """
        folder, stem, suffix = "log/", "", ".jsonl"
        if self._experiment is None:
            stem, suffix = os.path.splitext(self._first_name)
            folder, stem = "", stem + "."
        with Folder(self._root, *folder.split("/")[:-1]) as inner:
            taken = {entry.lower() for entry in inner.names()}
        names = (f"{stem}{kind}-{number}{suffix}" for number in range(1, len(taken) + _MAX_TRIES + 1))
        yield from (folder + name for name in names if name.lower() not in taken)
        raise FileExistsError(errno.EEXIST, f"No name such as {stem}{kind}-1{suffix} is free", self._root.path)

    def _report(self) -> None:
        """Warn of what happened to the file; with ``on_error="raise"``, raise WriteFailed."""
        while self._news:
            message = self._news.pop(0)
            if self._raise:
                raise WriteFailed(message)
            warn(message)

    def forked(self) -> None:
        """In a forked child: leave the parent's file alone; the first event opens a stream of the child's own."""
        self.lock = RLock()  # another thread of the parent may have held it, in the middle of an event
        self._busy, self._deferred = False, []
        if self.closed:
            return
        self.replaced, self._news, self._warned = {}, [], set()
        self._published_again, self._is_away, self._retry_at = False, False, 0.0
        if self._inherited is None:
            self._inherited = EventRef(self._experiment, self.name, max(self.seq, 1))
            self._writer.abandon()
        self._calm = False
        self.session = object()

    def _open_child(self, event: Pending) -> bool:
        """Open the stream of a forked child; where that fails, hold the event until it works."""
        inherited, path, name = self._inherited, self.path, self.name
        try:
            for free in self._free_names("fork"):
                try:
                    self._open(free, True, None, inherited)
                    break
                except FileExistsError:
                    continue  # another child was faster
        except OSError as error:
            self.name = name
            if self._raise:
                raise WriteFailed(f"the forked process cannot open a stream beside {path}: {error}") from error
            size = len(event.render(0, 0))
            if self._held_size + size <= _BACKLOG:
                self._held.append(event)
                self._held_size += size
            else:
                self._held_dropped += 1
            self._warn("fork", f"a forked process cannot open a stream beside {path}: {error}. Events are held.")
            return False
        held, self._held, self._held_size = self._held, [], 0
        for waiting in held:
            self._write(waiting)
        if self._held_dropped:
            self._dropped, self._reasons = self._held_dropped, {"no stream": self._held_dropped}
            self._held_dropped = 0
            self._calm = False
        return True


_BEGINNING = b'{"seq":1,"time":"'


def _count(data: bytes) -> int:
    """How many events an mlv/dropped is about, by its data."""
    import json

    numbers = json.loads(data)
    return int(numbers["last"] - numbers["first"] + 1)


def _lifecycle(
    append: _Append,
    event: bytes,
    data: dict[str, Any],
    reason: str | None,
    tail: Callable[[], bytes] | None = None,
) -> int | None:
    if reason is not None:
        if not isinstance(reason, str):
            raise TypeError(f"reason is {reason!r}; it has to be a string.")
        data = {**data, "reason": reason[:_MAX_REASON].encode("utf-8", "backslashreplace").decode("utf-8")}
    seq, kept = append(Pending(b'"%b"' % event, dumps(data).encode("ascii")), tail)
    return seq if kept else None


class _LastLock:
    """The lock of a stream from the end of the program on. A daemon thread that the interpreter has stopped for good
    may hold it; then it is nobody's."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._lock: Any = stream.lock

    def __enter__(self) -> None:
        if not self._lock.acquire(timeout=_LAST_PATIENCE if sys.is_finalizing() else -1):
            self._stream.forget_others()
            self._lock = self._stream.lock
            self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def _is_ours(beginning: bytes) -> bool:
    """May a file without a line feed be cut to nothing? The beginning of our own first line, or zeros of a crash."""
    return _BEGINNING.startswith(beginning) or not beginning.strip(b"\0")


_streams: WeakSet[Stream] = WeakSet()
_watched = False


def _watch(stream: Stream) -> None:
    global _watched
    if not _watched:
        _watched = True
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_after_fork)
        atexit.register(_before_exit)
    _streams.add(stream)


def _after_fork() -> None:
    for stream in list(_streams):
        stream.forked()


def _before_exit() -> None:
    # Another process writes what it has also when we are gone, but not in a container that ends with us.
    for stream in list(_streams):
        stream.prepare_for_exit()
