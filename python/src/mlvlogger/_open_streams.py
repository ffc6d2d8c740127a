"""The log of an experiment in one process: its open streams, together marked, rewound, flushed and closed."""

from __future__ import annotations

import contextlib
import os
from _thread import RLock

from ._disk.folder import Folder, open_regular
from ._errors import InvalidName, LogClosed, WriteFailed
from ._format.convert import is_mapping
from ._format.names import DEFAULT, is_stream_path, portable, stream_name
from ._logger import StreamLogger
from ._messages import qualname, short
from ._write.recovery import scan_file
from ._write.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

__all__ = ["OpenStreams"]

_MAX_TRIES = 100  # to open a stream that others make and remove


class OpenStreams:
    """The streams of one experiment that this process writes.

    Args:
        root: The experiment's directory.
        experiment: Its id.
        on_error, sync, process: As for `Stream`.
    """

    def __init__(
        self,
        root: Folder,
        experiment: str,
        on_error: str,
        sync: bool,
        process: bool,
    ) -> None:
        self._root = root
        self._experiment = experiment
        self._on_error = on_error
        self._sync = sync
        self._process = process
        self._open: dict[str, StreamLogger] = {}
        self._locks: dict[int, RLock] = {}
        self._closed = False

    @property
    def _lock(self) -> RLock:
        # One for each process: the thread that held the parent's in the moment of a fork is not there to let it go.
        return self._locks.setdefault(os.getpid(), RLock())

    def open(self, name: str, record: Callable[[], tuple[int, str]], new: bool = False) -> StreamLogger:
        """Return the root logger of a stream, by its path; the same one for the same path.

        Args:
            record: Gives number and digest of the meta record that a new session runs under; asked when the stream is
                ours and before anything is written to it.
            new: It must not be there. Otherwise a session is added to it, or it is made.

        Raises InvalidName where it differs from another stream only by case, and the errors of `Stream`.
        """
        with self._lock:
            if self._closed:
                raise LogClosed(
                    f"the experiment {self._root.path} was closed in this process. Open it again: Exp.open(path)."
                )
            if name not in self._open:
                own = (logger for logger in self._open.values() if logger._stream.name == name)
                self._open[name] = next(own, None) or self._new(name, record, new)
            return self._open[name]

    def _new(self, name: str, record: Callable[[], tuple[int, str]], new: bool) -> StreamLogger:
        if name != DEFAULT:
            self._refuse_twins(name.rpartition("/")[2])
        options: Any = {"on_error": self._on_error, "sync": self._sync, "process": self._process}
        for _ in range(_MAX_TRIES):
            make = new or not self._root.has(name)
            try:
                stream = Stream(self._root, name, new=make, experiment=self._experiment, record=record, **options)
                return StreamLogger(stream, self._experiment)
            except FileExistsError:
                if new:
                    raise
            except FileNotFoundError:
                if make or self._root.has(name):
                    raise
            # Another process created or moved it since the check.
        raise FileExistsError(
            f"{self._root.path}/{name} keeps being created and removed. End the program that does so."
        )

    def _refuse_twins(self, name: str) -> None:
        with Folder(self._root, "log") as folder:
            entries = folder.names()
        for entry in entries:
            if entry.lower() == name.lower() and entry != name:
                raise InvalidName(
                    f"{name!r} differs only by case from the stream {entry!r}, which exists. "
                    "Use that one, or another name."
                )

    def mark(self) -> dict[str, int]:
        """Path of each open stream → its last seq, flushed: what is marked is there after everything was killed."""
        self.flush()
        streams = [logger._stream for logger in self._open.values()]
        return {stream.name: stream.seq for stream in streams}

    def rewind(self, mark: Mapping[str, int], reason: str | None, record: Callable[[], tuple[int, str]]) -> None:
        """Rewind all streams of *mark*, or none: see `Exp.rewind`. *record* as for `open`."""
        if not is_mapping(mark):
            raise TypeError(f"the mark is {short(mark)}, a {qualname(type(mark))}: give what mark() returned.")
        streams = []
        for name, seq in mark.items():
            if type(name) is not str or not is_stream_path(name):
                raise ValueError(f"{short(name)} isn't a stream of an experiment. Give what mark() returned.")
            if name == DEFAULT and name not in self._open:
                raise ValueError(f"this process does not write {name}, so it cannot rewind it. Use Exp.resume(path).")
            if name != DEFAULT:
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

    def flush(self) -> None:
        """Flush all open streams, also where one cannot be; then the first WriteFailed is raised."""
        failure: WriteFailed | None = None
        for logger in self._open.values():
            try:
                logger.flush()
            except WriteFailed as error:
                failure = failure or error
        if failure is not None:
            raise failure

    def close(self, main: StreamLogger, data: dict[str, Any] | None) -> None:
        """Close all streams, *main* last, with *data* for their `mlv/end` or, where it is None, as paused.

        The end of the default stream lists the others with their last seq (`end.streams`). All are closed, also where
        one cannot be written; then the first WriteFailed is raised.
        """
        self._closed = True
        failure: Exception | None = None
        for logger in (*(logger for logger in self._open.values() if logger is not main), main):
            stream = logger._stream
            lists = logger is main and stream.name == DEFAULT and not (stream.closed or stream.is_inherited)
            if data is not None and lists:
                data = {**data, **({"streams": others} if (others := self._last_seqs()) else {})}
            try:
                stream.close(data)
            except Exception as error:  # of a signal handler, perhaps: the others are closed first
                failure = failure or error
        if failure is not None:
            raise failure

    def _last_seqs(self) -> dict[str, int]:
        seqs = {}
        names: list[str] = []
        with contextlib.suppress(OSError):  # none there, or it cannot be read
            if self._root.has("log"):
                with Folder(self._root, "log") as folder:
                    names = sorted(folder.names())
        for name in names:
            try:
                portable(name[: -len(".jsonl")] if name.endswith(".jsonl") else "", "a stream")
                with open_regular(self._root.at(f"log/{name}"), dir_fd=self._root.fd) as file:
                    seqs[f"log/{name}"] = scan_file(file).seq
            except (OSError, InvalidName):
                continue  # not for us to judge: what is listed is what this writer knows of
        return {name: seq for name, seq in seqs.items() if seq}
