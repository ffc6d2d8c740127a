"""Loggers: hierarchical events, spans and navigation over one stream (specification 1.0, chapter Events)."""

from __future__ import annotations

import os
import time

from ._disk.folder import Folder
from ._errors import InvalidName, WriteFailed
from ._format.convert import is_mapping
from ._format.encode import encode, free_name
from ._format.json import dumps
from ._format.lifecycle import is_lifecycle
from ._format.line import numbers
from ._messages import brief, pass_on, qualname, short, warn_once
from ._options import choice, writer_options
from ._write.endings import ending, outcome
from ._write.exceptions import summary
from ._write.large import MANY, MAX_DATA, shortened, warn_if_large
from ._write.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Mapping
    from pathlib import Path
    from types import TracebackType
    from typing import Any, TypeVar

    from ._format.line import Numbers

    _L = TypeVar("_L", bound="Logger")

__all__ = ["Logger", "Span", "StreamLogger"]

_MAX_NAME = 1024  # `event.name`
_NAMES = 1000


class Logger:
    """Writes events into a stream, below a path of its own.

    ``Logger("train.jsonl")`` logs to a file without an experiment; ``exp.log``, ``exp.stream(name)``,
    ``logger.sub(name)`` and ``logger.span(name)`` give loggers too. Threads may share one.

    Args:
        path: The file. Where it exists it must be an MLV stream, and a new session is appended to it.
        exists: "resume" (default), or "error" to refuse a file that exists.
        on_error: What happens when the system refuses to write: "warn" (default) warns once per cause, keeps events in
            memory (16 MiB) until writing works again, and records what could not be kept as ``mlv/dropped``; "raise"
            raises `WriteFailed`, and the event that raised is not kept.
        writer: Who writes. "direct" (default): `event` itself. "process": another process, from memory that both share
            (512 KiB; `event` waits only while that is full), within 20 milliseconds. It goes on when this process is
            killed, and this process goes on when it is killed; when both are, what was left in memory is lost. A forked
            child writes directly. Where no process can be started, a warning says so, and `event` writes.
        durability: "kernel" (default): an event is in the kernel when `event` returns, so that killing the process
            loses nothing; "disk": it is on the disk, so that a power cut loses nothing. With the process writer, this
            holds when `flush` or `close` returns.

    Raises:
        FileExistsError: *path* exists, with ``exists="error"``.
        StreamBusy: another writer has the file.
        InvalidRecord: the file isn't an MLV stream.
        OSError: it cannot be opened or written.
    """

    _root: Folder | None = None  # of a bare log

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        exists: str = "resume",
        on_error: str = "warn",
        writer: str = "direct",
        durability: str = "kernel",
    ) -> None:
        choice("exists", exists, ("resume", "error"))
        file = os.fsdecode(path)
        process, sync = writer_options(on_error, writer, durability)

        folder, name = os.path.split(file)
        self._root = root = Folder(folder)

        def open_stream(new: bool) -> Stream:
            return Stream(root, name, new=new, on_error=on_error, sync=sync, process=process)

        if exists == "error":
            stream = open_stream(True)
        else:
            try:
                stream = open_stream(False)
            except FileNotFoundError:
                stream = open_stream(True)
        self._set(stream, None, "", None, None)

    def _set(self, stream: Stream, parent: Logger | None, path: str, span: Span | None, own: str | None) -> None:
        self._stream = stream
        self._parent = parent
        self._path = path
        self._prefix = path + "/" if path else ""
        self._span = span  # the innermost span that this logger lies in
        self._own = own  # the id of the experiment, None for a bare log
        self._names: dict[str, bytes] = {}  # of events, with the JSON text of each below our path

    @property
    def parent(self) -> Logger | None:
        """The logger one level up, None at the root."""
        return self._parent

    @property
    def root(self) -> Logger:
        """The logger of the stream itself."""
        return self if self._parent is None else self._parent.root

    @property
    def path(self) -> str:
        """What the names of this logger's events begin with: ``"epoch/validation"``; empty at the root."""
        return self._path

    @property
    def file(self) -> Path:
        """The file that is written to."""
        from pathlib import Path

        return Path(self._stream.path)

    def event(self, name: str, data: Mapping[str, Any] | None = None, /, **members: Any) -> int | None:
        """Log an event.

        Its value is fixed now: what is done to *data* later does not matter.

        Args:
            name: One segment or several joined by ``/``, below this logger's path.
            data: Its data: a mapping, or another object that `Exp` accepts as params. Values as for `Exp`'s params, and
                files, events and experiments by reference.
            members: More data, by keyword.

        Returns:
            The event's seq in its stream, once it is kept as *durability* says; None when it could not be (see
            *on_error*).

        Raises:
            InvalidName: an empty segment, a control character, a first segment ``mlv``, or more than 1024 characters.
            TypeError: *data* isn't a mapping, or has a key that is also given by keyword. A key that only has the same
                name in JSON, such as 1 and the keyword "1", is recorded under another name, with a warning.
            LogClosed: after `close`.
            WriteFailed: with ``on_error="raise"``.

        A value that cannot be encoded does not raise: it is recorded as its type and repr, with a warning. Of two keys
        with one name in JSON (1 and "1"), the second is recorded as ``1~2``, with a warning. Code of the value itself
        (``__repr__``, ``tolist``, iteration) runs in this thread, before any lock is taken: one that hangs, hangs this
        call and no other thread's. What stops a program, such as KeyboardInterrupt, passes; so does a MemoryError, and
        a RecursionError if the calls before this one have used up the interpreter's stack. Nothing was written then.
        """
        full = (self._names.get(name) if type(name) is str else None) or self._name(name)
        text, values = (numbers(members) if data is None else None) or self._data(data, members)
        # The stream asks for the span when it comes to our line: nobody ends or rewinds it in between.
        seq, kept = self._stream.append(full, text, values, None if self._span is None else self._within)
        return seq if kept else None

    def _within(self) -> bytes:
        span = self._span
        while span is not None and not span.is_open:
            span = span._outer
        return b"" if span is None else span._within_it

    def _name(self, name: str) -> bytes:
        # The text itself: an enumeration of strings has another idea of what it is called.
        full = self._prefix + str.__str__(name) if issubclass(type(name), str) else ""
        if not full or "//" in full or full[0] == "/" or full[-1] == "/" or len(full) > _MAX_NAME or _has_control(full):
            raise InvalidName(
                f"{short(name)} isn't an event name: it has to be words joined by single slashes, without control "
                f"characters, of at most {_MAX_NAME} characters with the logger's path {self._path!r}."
            )
        if full == "mlv" or is_lifecycle(full):
            raise InvalidName(
                f"{short(full)} isn't an event name: the first segment mlv belongs to the specification. "
                "Choose another first word."
            )
        try:
            full.encode("utf-8")
        except UnicodeEncodeError:
            raise InvalidName(
                f"{short(name)} isn't an event name: it has a lone surrogate. Decode it properly first."
            ) from None
        text = dumps(full).encode("ascii")
        if len(self._names) < _NAMES and type(name) is str:
            self._names[name] = text
        return text

    def _data(self, data: Mapping[str, Any] | None, members: dict[str, Any]) -> tuple[bytes, Numbers | None]:
        if type(data) is dict and not members:
            copy = data.copy()
            for name in copy:
                if type(name) is not str:
                    break
            else:
                if plain := numbers(copy):
                    return plain
        tree = self._tree(members) if members else {}
        if data is not None:
            if not is_mapping(data):
                raise TypeError(
                    f"data is {short(data)}, a {qualname(type(data))}: give a dict, or name the value: "
                    "event(name, value=…)."
                )
            given = self._tree(data, tree)
            names: dict[str, int] = {}
            for key in [key for key in tree if key in given]:
                if _is_given_twice(key, data, members):
                    raise TypeError(f"data has {key!r} twice, in the mapping and by keyword. Give it once.")
                second = free_name(key, {**given, **tree}, names)
                tree[second] = tree.pop(key)
                warn_once(
                    f"data: a key of the mapping and the keyword {brief(key)} have the same name in JSON. The value of "
                    f"the keyword was recorded under the name {brief(second)}. Rename one of them."
                )
            tree = {**given, **tree}
        text = dumps(tree)
        if len(text) >= MAX_DATA:
            text = shortened(tree)
        elif len(text) > 2 * MANY:
            warn_if_large(tree, len(text))
        return text.encode("ascii"), None

    def _tree(self, mapping: Any, taken: Container[str] = ()) -> dict[str, Any]:
        tree = encode(mapping, path="data", depth=2, own=self._own, lenient=warn_once)
        if type(tree) is dict and "_mlv" not in tree:
            return tree
        # The whole has no form: data is never a typed value itself.
        return {"value" if "value" not in taken else free_name("value", taken, {}): tree}

    def span(self, name: str, data: Mapping[str, Any] | None = None, /, **members: Any) -> Span:
        """Begin a span, such as an epoch: a logger one level down, and a context manager that ends it.

        Its events' names begin with this logger's path and *name*, and they are recorded as lying within it.
        Arguments and errors as for `event`.
        """
        full = self._name(name)
        text, values = self._data(data, members)
        session: list[object] = []

        def tail() -> bytes:
            session[:] = [self._stream.session]
            return self._within() + b',"span":"begin"'

        seq, _ = self._stream.append(full, text, values, tail)
        return Span(self, str.__str__(name), seq, session)

    def sub(self, name: str) -> Logger:
        """A logger one level down: its events' names begin with this one's path and *name*. Nothing is written.

        Raises InvalidName as `event` does.
        """
        self._name(name)
        logger = Logger.__new__(Logger)
        logger._set(self._stream, self, self._prefix + str.__str__(name), self._span, self._own)
        return logger

    def pause(self, reason: str | None = None) -> int | None:
        """Record that the work stops for a while: ``mlv/pause``. Closed while paused, it is sealed and stays so.

        *reason* is a text for people. Returns and raises as `event`.
        """
        return self._stream.pause(True, reason)

    def resume(self, reason: str | None = None) -> int | None:
        """Record that the work goes on: ``mlv/resume``.

        *reason* is a text for people. Returns and raises as `event`.
        """
        return self._stream.pause(False, reason)

    def flush(self) -> None:
        """Write what waits in memory; return when every event is in the kernel, and with ``durability="disk"``, on the
        disk.

        Raises WriteFailed when that fails, with ``on_error="raise"``; otherwise it warns.
        """
        self._stream.flush()

    def close(self, status: str = "completed", error: BaseException | None = None) -> None:
        """End the stream with an ``mlv/end`` that seals it; or, while it is paused, with a seal alone.

        Closing a closed stream does nothing; a with block of a logger below the root does not close it.

        Args:
            status: "completed", "failed" or "interrupted".
            error: The exception behind a failure; its type, message and traceback are recorded.
        """
        data = ending(status, error)
        self._stream.close(None if self._stream.paused else data)
        if self._root is not None and self._stream.closed:  # not yet, in a signal handler that interrupts an event
            self._root.close()

    def __enter__(self: _L) -> _L:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._parent is None:
            self.close(*outcome(error))

    def __reduce__(self) -> Any:
        raise TypeError(
            f"{self!r} cannot be sent to another process. Send the experiment's path, and there use Exp.join(path, "
            "rank) or Exp.open(path); of a bare log, open another file."
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._path!r} of {self._stream.path}>"


class StreamLogger(Logger):
    """The root logger of a stream of an experiment."""

    def __init__(self, stream: Stream, own: str) -> None:
        self._set(stream, None, "", None, own)
        #: What goes on while somebody logs, also if the experiment is dropped: it lives as long as this logger, and so
        #: as loggers below it.
        self._companions: dict[str, object] = {}


class Span(Logger):
    """A span that has begun: a logger one level down, ended by ``with`` or `end`."""

    def __init__(self, parent: Logger, name: str, seq: int | None, session: list[object]) -> None:
        self._set(parent._stream, parent, parent._prefix + name, None, parent._own)
        self._outer = parent._span
        self._above = parent
        self._segment = name
        self._seq = seq
        self._within_it = b"" if seq is None else b',"within":%d' % seq
        self._session = session  # the stream's when it was begun, in a list; an empty one when it never was
        self._clock = time.perf_counter()
        self._ended = False

    # Not an attribute: an object that refers to itself, and to its stream, lives until the garbage collector comes.
    @property
    def _span(self) -> Span:
        """The innermost span that this logger lies in: itself."""
        return self

    @_span.setter
    def _span(self, _: Span | None) -> None:
        pass

    @property
    def seq(self) -> int | None:
        """The seq of the begin event, None where it could not be kept."""
        return self._seq

    @property
    def is_open(self) -> bool:
        """Has it not ended? A rewind ends it too, and in a forked child it is over: its begin is in another stream."""
        return not self._ended and self._seq is not None and self._session[0] is self._stream.session

    def end(self, data: Mapping[str, Any] | None = None, /, **members: Any) -> int | None:
        """Write the end event, with the seconds since the begin by the monotonic clock, and return its seq.

        *data* and *members* are its data, as for `event`.
        Nothing is written where the span is not open any more. What is logged later by this logger keeps its name, and
        lies in the next outer span that is open.
        """
        seconds = time.perf_counter() - self._clock
        if not self.is_open:
            return None
        # The code of values runs before the lock is taken: one that hangs keeps no other thread from logging.
        full = self._above._name(self._segment)
        text, values = self._above._data(data, members)
        tail = b',"span":"end","begin":%d,"seconds":%a' % (self._seq or 0, seconds)

        def end() -> bytes | None:
            if not self.is_open:
                return None  # another thread or a signal handler has ended it
            self._ended = True
            return tail

        try:
            seq, kept = self._stream.append(full, text, values, end)
        except WriteFailed:
            self._ended = False
            raise
        return seq if kept else None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.end()
        else:
            self.end(error=summary(error))

    def close(self, status: str = "completed", error: BaseException | None = None) -> None:
        """End the span; the stream stays open. *status* and *error* are those of `Logger.close`, and ignored."""
        self.end()


def _is_given_twice(name: str, data: Any, members: dict[str, Any]) -> bool:
    """Whether a name that two members have in JSON is one key that was given twice, and not two with one spelling."""
    keys = {name, name[1:]} if name[:1] == "_" else {name}  # the name may be escaped
    if not any(key in members for key in keys):
        return False  # it stands for all of them
    try:
        return not hasattr(type(data), "keys") or any(key in data for key in keys)
    except Exception as error:  # code of the mapping
        pass_on(error)
        return True


def _has_control(name: str) -> bool:
    return not name.isprintable() and any(char < " " or "\x7f" <= char <= "\x9f" for char in name)
