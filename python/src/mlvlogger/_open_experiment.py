"""What can be done with an experiment that this process writes (specification 1.0, chapters Files and Lifecycle)."""

from __future__ import annotations

import os

from ._errors import CannotAttach, LogClosed
from ._files import NewFile, NewText, attach_bytes
from ._format.encode import encode
from ._format.json import dumps
from ._format.names import DEFAULT, portable, portable_path, stream_name, stream_path
from ._format.references import File
from ._media import encoded
from ._messages import qualname
from ._monitor import Watch
from ._options import choice
from ._output import Capture
from ._read.existing import ExistingExperiment
from ._write.endings import ending, outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Any, ClassVar, Literal, TypeVar, overload

    from ._disk.folder import Folder
    from ._logger import StreamLogger
    from ._opening import Opening

    _E = TypeVar("_E", bound="OpenExperiment")

__all__ = ["OpenExperiment"]


class OpenExperiment(ExistingExperiment):
    """What an `Exp` can do, whichever way it was opened."""

    _last_attribute: ClassVar[str] = "log"
    log: StreamLogger

    def _begin(self, opening: Opening) -> None:
        """Take over what was opened, and note the file of uncommitted changes in the log."""
        self._directory = self._folder = opening.folder
        self._files = opening.files
        self._streams = opening.streams
        self._record = opening.meta.last
        self._sync = opening.sync
        self._capture: Capture | None = None
        self._watch: Watch | None = None
        self._take(opening.meta)
        self.log = opening.log
        if opening.diff is not None:
            self._note(opening.diff, "")

    def _held(self) -> Folder:
        """As that of `ExistingExperiment`."""
        return self._folder

    def _last_record(self) -> tuple[int, str]:
        return self._record

    def stream(self, name: str) -> StreamLogger:
        """The root logger of the stream *name* of this experiment: ``log/<name>.jsonl``.

        It is made when it is not there, and gets a new session when it is. The same name gives the same logger.

        Raises:
            InvalidName: *name* isn't a portable name, or differs from another stream's only by case.
            StreamBusy: another writer has it.
            LogClosed: after `close`.
            InvalidRecord, UnsupportedVersion, OSError: as for `resume`.
        """
        return self._streams.open(stream_path(portable(name, "a stream")), self._last_record)

    def capture(self, stream: str | None = None) -> Capture:
        """Log what this program and its children put out, from now on, line by line; it is shown as before.

        Each line of standard output is an event ``stdout`` with its ``text``, each of standard error ``stderr``. Of
        what a progress bar writes over itself, the last state is logged. A line that looks like a secret is logged as
        ``<redacted>``. Output of Python, C code, child processes and notebook cells is captured, by another process.
        Python's text streams write each line at once until capture stops, so that a killed program loses no line.

        With ``on_error="raise"``, too, the other process warns on standard error: no call of yours is there to raise.

        Args:
            stream: The name of the stream; by default ``output``, or ``rank-3-output`` for the stream ``rank-3``.

        Returns:
            A `Capture`: a context manager, with a `stop`. The end of the experiment or of the program stops it, too.

        Raises:
            RuntimeError: this process captures already.
            OSError: the system cannot start a process for it; Windows cannot.
            LogClosed, InvalidName, StreamBusy, InvalidRecord: as for `stream`.
        """
        self._refuse_closed()
        capture = Capture(self._folder, self.id, self._record, self._beside("output", stream), self._sync)
        self._capture = self.log._companions["capture"] = capture
        return capture

    def watch(self, seconds: float = 10, stream: str | None = None) -> Watch:
        """Log the load of the machine, of this process and of GPUs, now and every so many seconds, from a thread.

        Each sample is an event ``sample`` of numbers; docs/how-to/output-and-system.md lists them. A forked child does
        not go on with it. With ``on_error="raise"``, too, the thread warns if it can't log a sample, and goes on.

        Args:
            seconds: From sample to sample; at least 0.1.
            stream: The name of the stream; by default ``system``, or ``rank-3-system`` for the stream ``rank-3``.

        Returns:
            A `Watch`: a context manager, with a `stop`. The end of the experiment or of the program stops it, too.

        Raises:
            ValueError: *seconds* isn't such a number.
            RuntimeError: this experiment is watched already.
            LogClosed, InvalidName, StreamBusy, InvalidRecord, OSError: as for `stream`.
        """
        self._refuse_closed()
        if self._watch is not None and self._watch.is_running:
            raise RuntimeError("the system is watched already. Call stop() on what watch() returned, then begin again.")
        watch = Watch(lambda: self.stream(self._beside("system", stream)), self._folder, seconds)
        self._watch = self.log._companions["watch"] = watch
        return watch

    def _beside(self, name: str, given: str | None) -> str:
        if given is not None:
            return portable(given, "a stream")
        own = self.log._stream.name
        return name if own == DEFAULT else f"{stream_name(own)}-{name}"

    def attach(self, source: object, name: str | None = None, *, how: str = "copy") -> File:
        """Put a file into the record: below ``files/``, immutable, with its digest in the log. Returns its reference.

        The same bytes under the same name again give the same reference; other bytes get ``name~2``.

        Args:
            source: The path of a file, which is left as it is; or bytes, a PIL image, a NumPy array or torch tensor
                that is an image, a matplotlib or plotly figure, or a table of pandas, polars or pyarrow, of which
                a file is made. An image is height x width, or with 1, 3 or 4 channels behind (a tensor's may come
                first), of uint8, uint16, bool or floats from 0 to 1.
            name: Its name below ``files/``: portable names joined by ``/``. By default the last part of a path, with
                ``_`` for every character that a portable name cannot have (the log holds the original); ``image.png``,
                ``figure.png``, ``figure.json`` (plotly) or ``table.csv``. Bytes need one. Its end says the format
                that a value is written in.
            how: For a path: "copy"; "reflink" shares the blocks where the file system can, and copies otherwise;
                "hardlink" shares the file itself, which then must never be changed.

        Raises:
            FileNotFoundError: *source* does not exist, or the experiment's directory was removed meanwhile.
            CannotAttach: it isn't a regular file, or changes while it is copied; ``files`` isn't a directory; or a
                value has no form in the format. Nothing was written then.
            TypeError: *source* is nothing of all that.
            LogClosed: after `close`.
            InvalidName: *name* has segments that aren't portable names, such as ``..``.
            OSError: the system refused, a hard link over file systems included.
        """
        choice("how", how, ("copy", "hardlink", "reflink"))
        self._refuse_closed()
        if isinstance(source, (str, os.PathLike)):
            original = os.path.basename(os.fspath(source))
            name = portable_path(name if name is not None else _portable(original), "an attached file")
            return self._note(self._files.attach(source, name, how), original)
        if name is not None:
            name = portable_path(name, "an attached file")
        if how != "copy":
            raise CannotAttach(
                f"how={how!r} is for the path of a file, not for a {qualname(type(source))}. Leave it out."
            )
        return self._note(attach_bytes(self._files, *encoded(source, name)), "")

    if TYPE_CHECKING:

        @overload
        def create(self, name: str, mode: Literal["wb"] = "wb") -> NewFile: ...

        @overload
        def create(self, name: str, mode: Literal["w"]) -> NewText: ...

    def create(self, name: str, mode: str = "wb") -> NewFile | NewText:
        """A new file below ``files/`` to write into; it is published, hashed and logged when it is closed.

        Use it in a with block: where that is left by an exception, nothing is published.

        Args:
            name: As for `attach`; where it is taken by other bytes, the file gets ``name~2``.
            mode: "wb" (default) for bytes, "w" for text, which is UTF-8 with LF.

        Returns:
            A file object: a `NewFile`, or for text a `NewText` over one. Once it is closed, its reference is in `ref`.

        Raises InvalidName, CannotAttach, LogClosed and OSError.
        """
        choice("mode", mode, ("wb", "w"))
        self._refuse_closed()
        name = portable_path(name, "a new file")
        file = NewFile(self._files, name, self._refuse_closed, lambda new: self._note(new, name))
        return file if mode == "wb" else NewText(file)

    def _refuse_closed(self) -> None:
        if self.log._stream.closed:
            raise LogClosed(f"{self.path} was closed. Attach files before close(), or inside the with block.")

    def _note(self, file: File, original: str) -> File:
        data: dict[str, Any] = {"file": encode(file, path="file", depth=3)}
        if original and file.path != f"files/{original}":
            data["source"] = original.encode("utf-8", "backslashreplace").decode("utf-8")
        self.log._stream.append(b'"mlv/file"', dumps(data).encode("ascii"))
        return File(file.path, file.size, file.sha256, file.media_type, self.id)

    def mark(self) -> dict[str, int]:
        """Where the streams of this process stand: path of the stream → its last seq. Save it inside a checkpoint.

        Flushes, as `flush` does and with its errors: events up to the mark are there, whatever is killed.
        """
        return self._streams.mark()

    def rewind(self, mark: Mapping[str, int], reason: str | None = None) -> None:
        """Go back to a `mark`: what was logged after it is superseded, nothing is deleted; open spans stay unfinished.

        Args:
            mark: What `mark` returned.
            reason: A text for people.

        Raises:
            TypeError: *mark* isn't a mapping.
            ValueError: *mark* is not of this experiment, or names ``log.jsonl`` while this process does not have it.
                Nothing was rewound.
            StreamBusy: another process has one of its streams.
        """
        self._streams.rewind(mark, reason, self._last_record)

    def flush(self) -> None:
        """As `Logger.flush`, for all streams."""
        self._streams.flush()

    def close(self, status: str = "completed", error: BaseException | None = None) -> None:
        """End the experiment's work in this process: each of its streams gets an ``mlv/end``, which seals it.

        While `log` is paused they are sealed without an end, and the experiment stays paused.
        A second call does nothing. Arguments and errors as for `Logger.close`.
        """
        data = ending(status, error)
        paused = self.log._stream.paused
        if self._capture is not None:
            self._capture._stop({"end": None if paused else data})
        if self._watch is not None:
            self._watch.stop()
        try:
            self._streams.close(self.log, None if paused else data)
        finally:
            if self.log._stream.closed:
                self._folder.close()

    def __enter__(self: _E) -> _E:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(*outcome(error))

    def __str__(self) -> str:
        return str(self.path)

    def __reduce__(self) -> Any:
        raise TypeError(
            f"{self!r} cannot be sent to another process. Send its path, and there use Exp.join(path, "
            "rank) or Exp.open(path)."
        )


def _portable(name: str) -> str:
    cleaned = "".join(char if char.isascii() and (char.isalnum() or char in "._~-") else "_" for char in name)
    cleaned = cleaned[-100:].lstrip("._~-").rstrip(".")
    return cleaned or "file"
