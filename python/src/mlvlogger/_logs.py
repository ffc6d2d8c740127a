"""The log of an experiment in one process: its open streams, together marked, rewound, flushed and closed."""

from __future__ import annotations

import contextlib
import os
from _thread import RLock

from ._disk import Folder
from ._errors import InvalidName, LogClosed, WriteFailed
from ._files import portable
from ._logger import StreamLogger
from ._streams import Stream
from ._tails import scan
from ._values import is_mapping, qualname, short

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import Any

__all__ = ["DEFAULT", "Logs"]

#: The path of the default stream.
DEFAULT = "log.jsonl"


class Logs:
    """The streams of one experiment that this process writes.

    Args:
        directory: The experiment's.
        experiment: Its id.
        record: Number and digest of the meta record that new sessions run under.
        on_error, sync, process: As for `Stream`.
    """

    def __init__(
        self,
        directory: Path,
        experiment: str,
        record: Callable[[], tuple[int, str]],
        on_error: str,
        sync: bool,
        process: bool,
    ) -> None:
        self._directory = directory
        self._experiment = experiment
        self._record = record
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

    def open(self, name: str, before: Callable[[], None] | None = None, new: bool = False) -> StreamLogger:
        """The root logger of a stream, by its path; the same one for the same path.

        Args:
            before: Called when the stream is ours and before anything is written to it.
            new: It must not be there. Otherwise a session is added to it, or it is made.

        Raises InvalidName where it differs from another stream only by case, and the errors of `Stream`.
        """
        with self._lock:
            if self._closed:
                raise LogClosed(
                    f"the experiment {self._directory} was closed in this process. Open it again: Exp.open(path)."
                )
            if name not in self._open:
                own = (logger for logger in self._open.values() if logger._stream.name == name)
                self._open[name] = next(own, None) or self._new(name, before, new)
            return self._open[name]

    def _new(self, name: str, before: Callable[[], None] | None, new: bool) -> StreamLogger:
        first = [before] if before is not None else []

        def record() -> tuple[int, str]:
            while first:  # a forked child opens a stream too, under the same record
                first.pop()()
            return self._record()

        path = self._directory / name
        if name != DEFAULT:
            Folder(self._directory, "log").close()
            self._refuse_twins(path)

        def stream(make: bool) -> Stream:
            return Stream(
                str(path),
                name,
                new=make,
                experiment=self._experiment,
                record=record,
                on_error=self._on_error,
                sync=self._sync,
                process=self._process,
                fork=self._fork,
            )

        make = new or not path.exists()
        while True:
            try:
                opened = stream(make)
                break
            except (FileExistsError, FileNotFoundError):
                if new or path.exists() == (not make):
                    raise
                make = not make  # somebody else made it, or moved it away, since we looked
        return StreamLogger(opened, self._experiment)

    def _refuse_twins(self, path: Path) -> None:
        for entry in os.listdir(path.parent):
            if entry.lower() == path.name.lower() and entry != path.name:
                raise InvalidName(
                    f"{path.name!r} differs only by case from the stream {entry!r} that is there. "
                    "Use that one, or another name."
                )

    def _fork(self) -> tuple[str, str]:
        Folder(self._directory, "log").close()
        folder = self._directory / "log"
        taken = {entry.lower() for entry in os.listdir(folder)}
        number = 1
        while f"fork-{number}.jsonl" in taken:
            number += 1
        return str(folder / f"fork-{number}.jsonl"), f"log/fork-{number}.jsonl"

    def mark(self) -> dict[str, int]:
        """Path of each open stream → its last seq, flushed: what is marked is there after everything was killed."""
        self.flush()
        streams = [logger._stream for logger in self._open.values()]
        return {stream.name: stream.seq for stream in streams}

    def rewind(self, mark: Mapping[str, int], reason: str | None) -> None:
        """Rewind all streams of *mark*, or none: see `Exp.rewind`."""
        if not is_mapping(mark):
            raise TypeError(f"the mark is {short(mark)}, a {qualname(type(mark))}: give what mark() returned.")
        streams = []
        for name, seq in mark.items():
            if type(name) is not str or not (name == DEFAULT or (name.startswith("log/") and name.endswith(".jsonl"))):
                raise ValueError(f"{short(name)} is no stream of an experiment. Give what mark() returned.")
            if name == DEFAULT and name not in self._open:
                raise ValueError(f"this process does not write {name}, so it cannot rewind it. Use Exp.resume(path).")
            if name != DEFAULT:
                portable(name[len("log/") : -len(".jsonl")], "a stream")
                if name not in self._open and not (self._directory / name).exists():
                    raise ValueError(
                        f"there is no stream {name} in {self._directory}: the mark is not of this experiment."
                    )
            stream = self.open(name)._stream
            if stream.name != name or stream.is_inherited:
                raise ValueError(
                    f"{name} belongs to the process that this one was forked from: it alone can rewind it."
                )
            streams.append((stream, seq))
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
        failure: WriteFailed | None = None
        for logger in (*(logger for logger in self._open.values() if logger is not main), main):
            stream = logger._stream
            lists = logger is main and stream.name == DEFAULT and not (stream.closed or stream.is_inherited)
            if data is not None and lists:
                data = {**data, **({"streams": others} if (others := self._last_seqs()) else {})}
            try:
                stream.close(data)
            except WriteFailed as error:
                failure = failure or error
        if failure is not None:
            raise failure

    def _last_seqs(self) -> dict[str, int]:
        log = self._directory / "log"
        seqs = {}
        names = []
        with contextlib.suppress(OSError):  # none there, or it cannot be read
            names = sorted(os.listdir(log))
        for name in names:
            try:
                portable(name[: -len(".jsonl")] if name.endswith(".jsonl") else "", "a stream")
                seqs[f"log/{name}"] = scan(log / name).seq
            except (OSError, InvalidName):
                continue  # not for us to judge: what is listed is what this writer knows of
        return {name: seq for name, seq in seqs.items() if seq}
