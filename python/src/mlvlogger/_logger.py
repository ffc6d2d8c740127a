"""Loggers and spans, which log events with hierarchical names to one stream (specification 1.0, chapter Events)."""

from __future__ import annotations

import os

from ._begun_span import BegunSpan
from ._define_metric import MetricDefiner
from ._disk.folder import Folder, check_path
from ._errors import WriteFailed
from ._event_data import check_step, data_json
from ._event_name import name_json
from ._format.line import numbers
from ._options import check_choice, writer_options
from ._write.endings import ending, outcome
from ._write.exceptions import summary
from ._write.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType
    from typing import Any, NoReturn, TypeVar

    _L = TypeVar("_L", bound="Logger")

__all__ = ["Logger", "Span"]

_MAX_CACHED_NAMES = 1000  # of a logger


class Logger(MetricDefiner):
    """A logger that appends events to a stream and prefixes their names with its path.

    `Logger(path)` logs to the file `path` without an experiment. `exp.log`, `exp.stream(name)`, `logger.sub(name)` and
    `logger.span(name)` return loggers of an experiment. Threads may share a logger. At the end of its `with` block, a
    root logger is closed.

    Args:
        path: The file. If it exists, it must be an MLV stream.
        exists: If the file exists, `"resume"` appends a session to it, and `"error"` raises `FileExistsError`.
        on_error: If the system refuses to write, `"warn"` warns once per cause, buffers events in memory (16 MiB) until
            writing works again, and records the number of dropped events as `mlv/dropped` (`writer.dropped`); `"raise"`
            raises `WriteFailed`, and the event is dropped; if only the sync failed, the event is in the file, and
            `is_written` of the error is True.
        writer: `"direct"` writes in `event` itself. `"process"` lets another process write within 20 milliseconds, from
            shared memory (512 KiB), so that `event` takes less time and waits only while this memory is full. If one of
            the two processes is killed, the other one writes the events; if both are killed, the events in memory are
            lost. A forked child writes directly. If no process can be started, the logger warns and writes directly.
        durability: `"kernel"` passes an event to the kernel before `event` returns: if the process is killed, no event
            is lost. `"disk"` also waits until the event is on the disk: at a power cut, no event is lost. With
            `writer="process"`, this holds when `flush` or `close` returns.
        takeover: Whether to take the stream from a writer that this process can't examine, such as one on another
            host, or in another container. If it still runs, it notices and stops to write within 5 seconds, for which
            this call waits (`writer.lock-notice`). Without `takeover`, the stream is busy.

    Raises:
        FileExistsError: If the file exists, with `exists="error"`.
        StreamBusy: If another writer has the file (`writer.one`).
        InvalidRecord: If the file isn't an MLV stream.
        UnsupportedVersion: If the stream has an unknown major version or requires an unknown feature.
        ValueError: If `exists`, `on_error`, `writer` or `durability` isn't one of its values.
        OSError: If the file can't be opened or written.

    Example:
        ```python
        from mlvlogger import Logger

        with Logger("train.jsonl") as log:
            validation = log.sub("validation")
            print(validation.event("batch", loss=0.5), validation.path)
        ```

        ```text
        2 validation
        ```
    """

    _root: Folder | None = None  # the directory of the file, for a logger without an experiment

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        exists: str = "resume",
        on_error: str = "warn",
        writer: str = "direct",
        durability: str = "kernel",
        takeover: bool = False,
    ) -> None:
        check_choice("exists", exists, ("resume", "error"))
        file = os.fsdecode(path)
        process, sync = writer_options(on_error, writer, durability)
        check_path(file, "Give the log another path.", OSError)

        folder, name = os.path.split(file)
        self._root = root = Folder(folder)

        def open_stream(new: bool) -> Stream:
            return Stream(root, name, new=new, on_error=on_error, sync=sync, process=process, takeover=takeover)

        if exists == "error":
            stream = open_stream(True)
        else:
            try:
                stream = open_stream(False)
            except FileNotFoundError:
                stream = open_stream(True)
        self._initialize(stream, None, "", None, None)

    def _initialize(
        self, stream: Stream, parent: Logger | None, path: str, span: BegunSpan | None, experiment: str | None
    ) -> None:
        self._stream = stream
        self._parent = parent
        self._path = path
        self._prefix = path + "/" if path else ""
        self._span = span  # the innermost span that this logger is in
        self._experiment_id = experiment  # the id, None for a bare log
        self._names: dict[str, bytes] = {}  # argument of `event` → the event's full name as JSON

    @property
    def parent(self) -> Logger | None:
        """The logger one level up; None for a root logger."""
        return self._parent

    @property
    def root(self) -> Logger:
        """The root logger of the stream."""
        return self if self._parent is None else self._parent.root

    @property
    def path(self) -> str:
        """The prefix of the event names of this logger, such as `"epoch/validation"`; empty for a root logger."""
        return self._path

    @property
    def file(self) -> Path:
        """The file that the logger writes to."""
        from pathlib import Path

        return Path(self._stream.path)

    def event(
        self, name: str, data: Mapping[str, Any] | None = None, /, *misplaced: NoReturn, **members: Any
    ) -> int | None:
        """Log an event.

        The value is fixed at the call: later changes of `data` have no effect. A value that can't be encoded raises no
        exception: its type and repr are recorded, with a warning (`value.unencodable`). If two keys have one name in
        JSON (`1` and `"1"`), the second is recorded as `1~2`, with a warning.

        Code of a value (`__repr__`, `tolist`, iteration) runs in the calling thread, before any lock is taken: if it
        hangs, only this call hangs. Exceptions that stop a program, such as `KeyboardInterrupt`, are raised; so are a
        `MemoryError`, and a `RecursionError` if the calls before this one have used up the interpreter's stack. Then
        nothing is written.

        Args:
            name: One segment, or several joined by `/`, below the path of this logger (`event.name`).
            data: The data: a mapping, or another object that `Exp` accepts as `params`, of [values](#values).
            misplaced: Nothing: each value needs a name.
            members: More data, by keyword.

        Returns:
            The `seq` of the event, if the event is stored as `writer` and `durability` say; None if it is buffered in
                memory after a failed write, or was dropped.

        Raises:
            InvalidName: If `name` has an empty segment, a control character, the first segment `mlv`, or with the path
                more than 1024 characters.
            TypeError: If `data` isn't a mapping, has a key that is also passed by keyword, or is followed by a value
                without a name. A key that only has the same name in JSON, such as 1 and the keyword "1", is recorded
                under another name, with a warning.
            LogClosed: If the stream is closed.
            WriteFailed: If writing fails, with `on_error="raise"`.
        """
        full = (self._names.get(name) if type(name) is str else None) or self._name(name)
        text, values = (numbers(members) if data is None else None) or data_json(
            full, [data, *misplaced] if misplaced else data, members, self._experiment_id, self._stream.attach_table
        )
        # The conditions of `check_step`: calling it for each event would take more time.
        if values is not None and "step" in members:
            step = members["step"]
            if type(step) is not int or not -(2**63) <= step < 2**63:
                check_step(full, members)
        # The stream calls `within` under its lock, so that no other thread ends or rewinds the span in between.
        seq, is_stored = self._stream.append(full, text, values, None if self._span is None else self._span.within)
        return seq if is_stored else None

    def _name(self, name: str) -> bytes:
        """Return the full name of an event as JSON. Raises InvalidName."""
        text = name_json(self._path, name)
        if len(self._names) < _MAX_CACHED_NAMES and type(name) is str:
            self._names[name] = text
        return text

    def span(self, name: str, data: Mapping[str, Any] | None = None, /, **members: Any) -> Span:
        """Begin a span, such as an epoch: log its begin event, and return a logger one level down.

        The names of its events begin with the path of this logger and `name`, and the events are recorded as within the
        span (`span.within`). The exceptions are those of `event`.

        Args:
            name: As for `event`.
            data: The data of the begin event, as for `event`.
            members: More data, by keyword.

        Returns:
            The span: a context manager that ends it.
        """
        full = self._name(name)
        text, values = data_json(full, data, members, self._experiment_id, self._stream.attach_table)
        session: list[object] = []

        def span_members() -> bytes:
            session[:] = [self._stream.session]
            return (b"" if self._span is None else self._span.within()) + b',"span":"begin"'

        seq, _ = self._stream.append(full, text, values, span_members)
        return Span(self, str.__str__(name), seq, session)

    def sub(self, name: str) -> Logger:
        """Return a logger one level down. Nothing is written.

        Args:
            name: One segment, or several joined by `/`. The names of the logger's events begin with the path of this
                logger and `name`.

        Raises:
            InvalidName: If `name` isn't valid for `event`.
        """
        self._name(name)
        logger = Logger.__new__(Logger)
        logger._initialize(self._stream, self, self._prefix + str.__str__(name), self._span, self._experiment_id)
        return logger

    def pause(self, reason: str | None = None) -> int | None:
        """Record that the work stops for a while (`mlv/pause`).

        If the stream is closed while it is paused, it is sealed and stays paused.

        Args:
            reason: The reason, for readers of the log.

        Returns:
            As for `event`.

        Raises:
            LogClosed: If the stream is closed.
            WriteFailed: If writing fails, with `on_error="raise"`.
        """
        return self._stream.pause(True, reason)

    def resume(self, reason: str | None = None) -> int | None:
        """Record that the work continues (`mlv/resume`).

        Args:
            reason: The reason, for readers of the log.

        Returns:
            As for `event`.

        Raises:
            LogClosed: If the stream is closed.
            WriteFailed: If writing fails, with `on_error="raise"`.
        """
        return self._stream.pause(False, reason)

    def flush(self) -> None:
        """Write the buffered events: return when all are in the kernel, or with `durability="disk"`, on the disk.

        Raises:
            WriteFailed: If writing fails, with `on_error="raise"`; otherwise there is a warning.
        """
        self._stream.flush()

    def close(self, status: str = "completed", error: BaseException | None = None) -> None:
        """End the stream with an `mlv/end`, which seals it; or, while it is paused, with a seal alone (`writer.seal`).

        Closing a closed stream does nothing. The end of the `with` block of a logger below the root doesn't close the
        stream.

        Args:
            status: `"completed"`, `"failed"`, `"interrupted"` or `"ended"`, which leaves open whether the work
                succeeded.
            error: The cause of a failure; its type, message and traceback are recorded.

        Raises:
            ValueError: If `status` isn't one of its values.
            WriteFailed: If writing fails, with `on_error="raise"`; otherwise there is a warning.
        """
        data = ending(status, error)
        self._stream.close(None if self._stream.paused else data)
        if self._root is not None and self._stream.closed:  # still open in a signal handler that interrupted an event
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


class Span(Logger):
    """A span, as returned by `Logger.span`: a logger one level down.

    A span ends at the end of its `with` block, or when you call `end`. If an exception leaves the block, the end event
    has the type and the message of the exception in `error`.

    Example:
        ```python
        from mlvlogger import Exp, read

        with Exp("runs", "my_exp_1") as exp:
            with exp.log.span("epoch", number=1) as epoch:
                epoch.event("batch", loss=0.5)

        print([event.name for event in read("runs/my_exp_1").events()])
        ```

        ```text
        ['epoch', 'epoch/batch', 'epoch']
        ```
    """

    _span: BegunSpan  # this one

    def __init__(self, parent: Logger, name: str, seq: int | None, session: list[object]) -> None:
        span = BegunSpan(parent._stream, parent._span, seq, session)
        self._initialize(parent._stream, parent, parent._prefix + name, span, parent._experiment_id)
        self._opened_by = parent
        self._segment = name

    @property
    def seq(self) -> int | None:
        """The `seq` of the begin event; None if it was dropped or deferred. Can change until the event is written."""
        return self._span.seq

    @property
    def is_open(self) -> bool:
        """Whether the span is open. Always False after a rewind, and in a forked child."""
        return self._span.is_open

    def end(self, data: Mapping[str, Any] | None = None, /, **members: Any) -> int | None:
        """Log the end event, with the seconds since the begin event by the monotonic clock.

        If the span isn't open, nothing is written. Later events of this logger keep their names, and are within the
        next outer span that is open. The exceptions are those of `Logger.event`.

        Args:
            data: The data of the end event, as for `Logger.event`.
            members: More data, by keyword.

        Returns:
            As for `Logger.event`; None if the span isn't open.
        """
        span = self._span
        seconds = span.seconds
        if not span.is_open:
            return None
        # The code of values runs before the lock is taken: if it hangs, other threads can still log.
        full = self._opened_by._name(self._segment)
        text, values = data_json(full, data, members, self._experiment_id, self._stream.attach_table)
        try:
            seq, is_stored = self._stream.append(full, text, values, lambda: span.end(seconds))
        except WriteFailed as failed:
            span.has_ended = failed.is_written
            raise
        return seq if is_stored else None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.end()
        else:
            self.end(error=summary(error))

    def close(self, status: str = "completed", error: BaseException | None = None) -> None:
        """End the span; the stream stays open.

        Args:
            status: Has no effect.
            error: Has no effect.
        """
        self.end()
