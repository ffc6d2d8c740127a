"""The open streams of an experiment in one process, which are marked, rewound, flushed and closed together."""

from __future__ import annotations

import os
from _thread import RLock

from ._disk.folder import Folder
from ._errors import InvalidName, LogClosed, WriteFailed
from ._format.convert import is_mapping
from ._format.names import DEFAULT_STREAM, is_stream_path, portable, stream_name
from ._logger import Logger
from ._messages import a_type, short
from ._write.lifecycle_events import record_event
from ._write.other_streams import other_streams
from ._write.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from ._format.references import File

__all__ = ["OpenStreams", "StreamLogger"]

_MAX_TRIES = 100  # to open a stream that other processes create and remove


class StreamLogger(Logger):
    """The root logger of a stream of an experiment."""

    def __init__(self, stream: Stream, experiment: str) -> None:
        self._initialize(stream, None, "", None, experiment)
        #: The captured output and the samples of the system. They continue if the experiment is dropped, until this
        #: logger and all loggers below it are dropped.
        self._background: dict[str, object] = {}

    if not TYPE_CHECKING:

        def __call__(self, *values, **members):
            from ._other_trackers import refuse_call

            refuse_call(values, members)


class OpenStreams:
    """The streams of one experiment to which this process writes.

    Args:
        root: The open directory of the experiment.
        experiment: The id of the experiment.
        on_error: As for `Stream`.
        sync: As for `Stream`.
        process: As for `Stream`.
        takeover: As for `Stream`.
    """

    def __init__(
        self,
        root: Folder,
        experiment: str,
        on_error: str,
        sync: bool,
        process: bool,
        takeover: bool,
    ) -> None:
        self._root = root
        self._experiment = experiment
        self._on_error = on_error
        self._sync = sync
        self._process = process
        self._takeover = takeover
        self._open: dict[str, StreamLogger] = {}
        self._attach_table: Callable[[bytes, tuple[Any, ...], bytes], File | None] | None = None
        self._locks: dict[int, RLock] = {}
        self._closed = False

    @property
    def lock(self) -> RLock:
        """The lock of this process for opening streams and adding metadata records."""
        # One lock for each process: at a fork, another thread may hold the lock, which the child lacks.
        return self._locks.setdefault(os.getpid(), RLock())

    def open(self, name: str, record: Callable[[], tuple[int, str]], new: bool = False) -> StreamLogger:
        """Return the root logger of a stream. The same path gives the same logger.

        Args:
            name: The path of the stream.
            record: A function that returns the number and the digest of the metadata record to which a new session
                refers. It is called when this process has locked the stream, before anything is written.
            new: Whether the stream must be new. Otherwise, a session is added if the stream exists.

        Raises:
            LogClosed: If the streams were closed.
            InvalidName: If the path differs from that of another stream only by case.
            FileExistsError: If the stream exists, with *new*. Other exceptions are those of `Stream`.
        """
        with self.lock:
            if self._closed:
                raise LogClosed(
                    f"the experiment {self._root.path} was closed in this process. Open it again: Exp.open(path)."
                )
            if name not in self._open:
                own = (logger for logger in self._open.values() if logger._stream.name == name)
                self._open[name] = next(own, None) or self._open_stream(name, record, new)
            return self._open[name]

    def set_attach_table(self, attach_table: Callable[[bytes, tuple[Any, ...], bytes], File | None]) -> None:
        """Set the function that attaches the rows of a large table, for all streams: see `Stream.attach_table`."""
        self._attach_table = attach_table
        for logger in self._open.values():
            logger._stream.attach_table = attach_table

    def _open_stream(self, name: str, record: Callable[[], tuple[int, str]], new: bool) -> StreamLogger:
        if name != DEFAULT_STREAM:
            self._refuse_case_twin(name.rpartition("/")[2])
        options: Any = {
            "on_error": self._on_error,
            "sync": self._sync,
            "process": self._process,
            "takeover": self._takeover,
        }
        for _ in range(_MAX_TRIES):
            create = new or not self._root.has(name)
            try:
                stream = Stream(
                    self._root,
                    name,
                    new=create,
                    experiment=self._experiment,
                    record=record,
                    get_others=other_streams if name == DEFAULT_STREAM else None,
                    **options,
                )
                stream.attach_table = self._attach_table
                return StreamLogger(stream, self._experiment)
            except FileExistsError:
                if new:
                    raise
            except FileNotFoundError:
                if create or self._root.has(name):
                    raise
            # Another process created or moved it since the check.
        raise FileExistsError(
            f"{self._root.path}/{name} keeps being created and removed. End the program that does so."
        )

    def _refuse_case_twin(self, name: str) -> None:
        with Folder(self._root, "log") as folder:
            entries = folder.names()
        for entry in entries:
            if entry.lower() == name.lower() and entry != name:
                raise InvalidName(
                    f"{name!r} differs only by case from the stream {entry!r}, which exists. "
                    "Use that one, or another name."
                )

    def mark(self) -> dict[str, int]:
        """Flush all open streams, and return the last seq of each one by its path, as `Exp.mark` does.

        Raises:
            WriteFailed: If writing fails, with `on_error="raise"`.
        """
        self.flush()
        streams = [logger._stream for logger in self._open.values()]
        return {stream.name: stream.seq for stream in streams}

    def rewind(self, mark: Mapping[str, int], reason: str | None, record: Callable[[], tuple[int, str]]) -> None:
        """Rewind all streams of a mark, or none if the mark is wrong. The exceptions are those of `Exp.rewind`.

        Args:
            mark: As for `Exp.rewind`.
            reason: As for `Exp.rewind`.
            record: As for `open`.
        """
        if not is_mapping(mark):
            raise TypeError(f"the mark is {short(mark)}, {a_type(mark)}: give what mark() returned.")
        streams = []
        for name, seq in mark.items():
            if type(name) is not str or not is_stream_path(name):
                raise ValueError(f"{short(name)} isn't a stream of an experiment. Give what mark() returned.")
            if name == DEFAULT_STREAM and name not in self._open:
                raise ValueError(f"this process does not write {name}, so it cannot rewind it. Use Exp.resume(path).")
            if name != DEFAULT_STREAM:
                portable(stream_name(name), "a stream")
                if name not in self._open and not self._root.has(name):
                    raise ValueError(
                        f"there is no stream {name} in {self._root.path}: the mark is not of this experiment."
                    )
            stream = self.open(name, record)._stream
            if stream.is_inherited or (stream.name != name and name not in stream.replaced):
                raise ValueError(
                    f"{name} belongs to the process that this one was forked from: it alone can rewind it."
                )
            # A stream that another program replaced continues in the new file, with all its lines or after them.
            streams.append((stream, seq if stream.replaced.get(name, True) else 0))
        for stream, seq in streams:
            if type(seq) is not int or not 0 <= seq <= stream.seq:
                raise ValueError(
                    f"the mark says {seq!r} for {stream.name}, whose last seq is {stream.seq}: "
                    "it is not of this experiment."
                )
        for stream, seq in streams:
            stream.rewind(seq, reason)

    def continue_under(self, record: tuple[int, str]) -> None:
        """Let the sessions of this process continue under another metadata record.

        Raises:
            WriteFailed: The first one of a stream, after all streams have continued.
        """
        failure: WriteFailed | None = None
        for logger in list(self._open.values()):
            stream = logger._stream
            if stream.closed or stream.is_inherited:
                continue
            try:
                stream.start.record = record
                event = record_event(record)
                stream.append(event.name, event.data)
            except WriteFailed as error:
                failure = failure or error
        if failure is not None:
            raise failure

    def flush(self) -> None:
        """Flush all open streams.

        Raises:
            WriteFailed: The first one of a stream, after all streams were flushed.
        """
        failure: WriteFailed | None = None
        for logger in self._open.values():
            try:
                logger.flush()
            except WriteFailed as error:
                failure = failure or error
        if failure is not None:
            raise failure

    def close(self, main: StreamLogger, data: dict[str, Any] | None) -> None:
        """Close all open streams, the others before the one whose end may list them (`end.streams`, `end.seals`).

        Args:
            main: The logger of the stream that is closed last.
            data: The data of each `mlv/end`, or None if the streams are paused.

        Raises:
            Exception: The first exception of a stream, such as WriteFailed, after all streams were closed.
        """
        self._closed = True
        failure: Exception | None = None
        for logger in (*(logger for logger in self._open.values() if logger is not main), main):
            try:
                logger._stream.close(data)
            except Exception as error:  # maybe one of a signal handler: the other streams are closed first
                failure = failure or error
        if failure is not None:
            raise failure
