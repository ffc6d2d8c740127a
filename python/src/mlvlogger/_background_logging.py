"""The methods of an open experiment that log in the background: captured output, and the load of the machine."""

from __future__ import annotations

from ._format.names import DEFAULT_STREAM, portable, portable_name, stream_name
from ._monitor import Watch
from ._output import Capture

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._disk.folder import Folder
    from ._open_streams import StreamLogger

__all__ = ["BackgroundLogging"]


class BackgroundLogging:
    """The methods of an open experiment that log in the background."""

    if TYPE_CHECKING:
        id: str
        log: StreamLogger
        _record: tuple[int, str]
        _sync: bool
        _capture: Capture | None
        _watch: Watch | None
        _folder: Folder

        def stream(self, name: str) -> StreamLogger:
            """Return the logger of another stream."""
            ...

        def _refuse_closed(self) -> None: ...

    def capture(self, stream: str | None = None) -> Capture:
        """Log the output of this program and its children, line by line, while it is still shown.

        Each line is an event `stdout` or `stderr` with the member `text`. For a progress bar, only its final state is
        logged. A line that looks like a secret is logged as `<redacted>`. The output of Python, C code, child processes
        and notebook cells is captured, by another process. Until the capture stops, `sys.stdout` and `sys.stderr` write
        each line immediately, so that a killed program loses no line. If a line can't be logged, the other process
        warns on standard error, also with `on_error="raise"`.

        Args:
            stream: The name of the stream; by default `output`, or `rank-3-output` for the stream `rank-3`.

        Returns:
            A context manager with the method `stop(status="completed", error=None)`. The end of the experiment or of
                the program stops the capture, too.

        Raises:
            RuntimeError: If this process already captures its output.
            OSError: If the system can't start a process for the capture, as on Windows.
            LogClosed: If the experiment is closed.
            InvalidName: If `stream` isn't a portable name, or differs only by case from the name of another stream.
            StreamBusy: If another writer has the stream.
            InvalidRecord: If the stream is damaged.
            UnsupportedVersion: If the stream has an unknown major version or requires an unknown feature.
        """
        self._refuse_closed()
        capture = Capture(self._folder, self.id, self._record, self._stream_name_for("output", stream), self._sync)
        self._capture = self.log._background["capture"] = capture
        return capture

    def watch(self, seconds: float = 10, stream: str | None = None) -> Watch:
        """Log the load of the machine, of this process and of GPUs, now and at an interval, from a thread.

        Each sample is an event `sample` of numbers; the guide [Output, messages and the system's
        load](../how-to/output-and-system.md) lists them. A forked child doesn't continue the samples. If a sample can't
        be logged, the thread warns and continues, also with `on_error="raise"`.

        Args:
            seconds: The interval in seconds, at least 0.1.
            stream: The name of the stream; by default `system`, or `rank-3-system` for the stream `rank-3`.

        Returns:
            A context manager with the method `stop()` and the property `is_running`. The end of the experiment or of
                the program stops the samples, too.

        Raises:
            ValueError: If `seconds` isn't a number of at least 0.1.
            RuntimeError: If the system is already watched for this experiment.
            LogClosed: If the experiment is closed.
            InvalidName: If `stream` isn't a portable name, or differs only by case from the name of another stream.
            StreamBusy: If another writer has the stream.
            InvalidRecord: If the stream is damaged.
            UnsupportedVersion: If the stream has an unknown major version or requires an unknown feature.
            OSError: If the system refuses.
        """
        self._refuse_closed()
        if self._watch is not None and self._watch.is_running:
            raise RuntimeError("the system is watched already. Call stop() on what watch() returned, then begin again.")
        watch = Watch(lambda: self.stream(self._stream_name_for("system", stream)), self._folder, seconds)
        self._watch = self.log._background["watch"] = watch
        return watch

    def _stream_name_for(self, name: str, given: str | None) -> str:
        """Return the name of a stream for output, samples or messages: *given*, or by default *name*.

        For an experiment whose main stream isn't `log.jsonl`, the default is `rank-3-output`, for example.
        """
        if given is not None:
            return portable(given, "a stream")
        own = self.log._stream.name
        return name if own == DEFAULT_STREAM else portable_name(f"{stream_name(own)}-{name}")
