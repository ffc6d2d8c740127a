"""The methods of an experiment to which this process writes (specification 1.0, chapters Files and Lifecycle)."""

from __future__ import annotations

import os

from ._attached_files import AttachedFiles
from ._background_logging import BackgroundLogging
from ._errors import CannotAttach, LogClosed
from ._format.decode import decode_members
from ._format.names import portable, portable_name, portable_path, stream_path
from ._format.references import File
from ._media import encode_file
from ._messages import a_type
from ._monitor import Watch
from ._new_file import NewFile, NewText, attach_bytes
from ._options import check_choice
from ._output import Capture
from ._read.existing import ExistingExperiment
from ._read.meta import load
from ._read.readonly import read_only
from ._write import meta as _meta
from ._write.endings import ending, outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType
    from typing import Any, ClassVar, Literal, TypeVar, overload

    from ._disk.folder import Folder
    from ._open_streams import StreamLogger
    from ._opening import Opening

    _E = TypeVar("_E", bound="OpenExperiment")

__all__ = ["OpenExperiment"]


class OpenExperiment(BackgroundLogging, ExistingExperiment):
    """The base class of `Exp`: an experiment to which this process writes, however it was opened."""

    _last_attribute: ClassVar[str] = "log"
    log: StreamLogger

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            from ._other_trackers import missing_attribute

            raise missing_attribute(self, name)

    def _adopt(self, opening: Opening) -> None:
        """Set the attributes from *opening*, and log the file of uncommitted changes."""
        self._directory = self._folder = opening.folder
        self._files = opening.files
        self._streams = opening.streams
        self._record = opening.record
        self._sync = opening.sync
        self._capture: Capture | None = None
        self._watch: Watch | None = None
        self._load_meta(opening.meta, opening.record[0])
        self._attached = AttachedFiles(opening.files, opening.log._stream, self.id)
        self._streams.set_attach_table(self._attached.attach_table)
        self.log = opening.log
        if opening.diff is not None:
            self._log_file(opening.diff, "")

    def _open_folder(self) -> Folder:
        return self._folder

    def _last_record(self) -> tuple[int, str]:
        return self._record

    def add(
        self,
        params: Any = None,
        *,
        tags: Iterable[str] = (),
        description: str | None = None,
        extra: Any = None,
        redact: bool = True,
    ) -> None:
        """Add to the metadata while the experiment is open: add a metadata record, and log `mlv/record`.

        For example, record a batch size that was found by trying. Log values that change in the course of the training,
        such as a learning rate with a schedule, as events instead. A recorded name with another value is recorded as a
        change: `params` has the new value from now on, and earlier events keep the earlier one. If everything is
        recorded already, nothing is written.

        Args:
            params: New parameters, or new values, in the forms of `Exp`.
            tags: New tags.
            description: A further description.
            extra: New members of `extra`, or new values.
            redact: As for `Exp`.

        Raises:
            LogClosed: If the experiment is closed.
            InvalidRecord: If a metadata record is damaged.
            CannotEncode: If values of `params` or `extra` have no form in a record.
            TypeError: As for `Exp`.
            ValueError: As for `Exp`.
            WriteFailed: If the log can't be written, with `on_error="raise"`. The metadata is recorded all the same.
            OSError: If the system refuses. Nothing was recorded.

        Example:
            ```python
            from mlvlogger import Exp, read

            with Exp("runs", "my_exp_1", {"lr": 3e-4, "batch": 64}) as exp:
                exp.add({"batch": 48}, tags=["tuned"])
                exp.log.event("batch", step=0, loss=0.5)

            print(read("runs/my_exp_1").params)
            ```

            ```text
            {'lr': 0.0003, 'batch': 48}
            ```
        """
        self._refuse_closed()
        new = _meta.members(params, extra, tags, description, redact)
        with self._streams.lock:
            stream = self.log._stream.own_name()
            meta = load(self._folder, environments=False)
            count = len(meta.digests)
            meta = _meta.add(
                self._folder, meta, new, lambda: load(self._folder, environments=False), lambda number: stream
            )
            if len(meta.digests) == count:
                return
            self._record = meta.last
            number, _ = self._record
            for member in ("params", "extra"):
                values = decode_members(meta.in_force(member, number, meta.streams.get(number)))
                vars(self)[member] = read_only(values, member, self)
            vars(self)["tags"] = read_only(meta.tags, "tags", self)
            self._streams.continue_under(self._record)

    def stream(self, name: str) -> StreamLogger:
        """Return the root logger of the stream `log/<name>.jsonl`.

        The stream is created if it doesn't exist, and gets a new session if it does. The same name gives the same
        logger.

        Args:
            name: The name of the stream: a portable name.

        Raises:
            InvalidName: If `name` isn't a portable name, or differs only by case from the name of another stream.
            StreamBusy: If another writer has the stream.
            LogClosed: If the experiment is closed.
            InvalidRecord: If the stream is damaged.
            UnsupportedVersion: If the stream has an unknown major version or requires an unknown feature.
            OSError: If the system refuses.
        """
        return self._streams.open(stream_path(portable(name, "a stream")), self._last_record)

    def attach(self, source: object, name: str | None = None, *, how: str = "copy") -> File:
        """Copy a file into the experiment, below `files/`, and log its size and SHA-256.

        The attached file is immutable. If you attach the same bytes under the same name again, you get the same
        reference; other bytes get the name `name~2`. [Files and media](../how-to/files-and-media.md) lists the formats.

        Args:
            source: The path of a file, or a value from which a file is made: bytes, a PIL image, a NumPy array or torch
                tensor that is an image, a matplotlib or plotly figure, a `Table`, or a table of pandas, polars or
                pyarrow. An image has the shape height x width, or a third dimension with 1, 3 or 4 channels (for a
                tensor, also the first dimension), and the type uint8, uint16, bool, or float from 0 to 1.
            name: The path below `files/`: portable names joined by `/`. The suffix determines the format of a value. By
                default, the file's own name, which [`portable_name`](#mlvlogger.portable_name) makes portable; or
                `image.png`, `figure.png`, `figure.json` (plotly), `table.csv` or, for a `Table`, `table.ndjson`. Bytes
                need a name.
            how: For a path: `"copy"`; `"reflink"`, which shares the blocks if the file system can, and copies
                otherwise; or `"hardlink"`, which shares the file itself, so that you must never change it. If the
                system can't link the file, for example from another file system, the file is copied, with a warning.

        Returns:
            The reference to the attached file.

        Raises:
            FileNotFoundError: If `source` does not exist, or the directory of the experiment was removed.
            CannotAttach: If `source` isn't a regular file, changes while it is copied, or is a value that has no form
                in the format; or if `files` isn't a directory. Nothing was written.
            TypeError: If `source` is neither a path nor one of these values.
            ValueError: If `how` isn't one of its values.
            InvalidName: If `name` has segments that aren't portable names, such as `..` (`file.name`).
            LogClosed: If the experiment is closed.
            OSError: If the system refuses.
        """
        check_choice("how", how, ("copy", "hardlink", "reflink"))
        self._refuse_closed()
        if isinstance(source, (str, os.PathLike)):
            source = os.fsdecode(source)
            original = os.path.basename(source)
            name = portable_name(original, is_file=True) if name is None else portable_path(name, "an attached file")
            return self._log_file(self._files.attach(source, name, how), original)
        if name is not None:
            name = portable_path(name, "an attached file")
        if how != "copy":
            raise CannotAttach(f"how={how!r} is for the path of a file, not for {a_type(source)}. Leave it out.")
        return self._log_file(attach_bytes(self._files, *encode_file(source, name)), "")

    if TYPE_CHECKING:

        @overload
        def create(self, name: str, mode: Literal["wb"] = "wb") -> NewFile: ...

        @overload
        def create(self, name: str, mode: Literal["w"]) -> NewText: ...

    def create(self, name: str, mode: Literal["wb", "w"] = "wb") -> NewFile | NewText:
        """Return a new file below `files/` to write into.

        The file is published, hashed and logged when you close it; then its attribute `ref` is its reference. If an
        exception leaves its `with` block, the file is discarded.

        Args:
            name: The path below `files/`: portable names joined by `/`. If another file has the name, the file gets
                `name~2`.
            mode: `"wb"` for bytes, `"w"` for text, which is UTF-8 with LF.

        Returns:
            A `NewFile`, or for text a `NewText`.

        Raises:
            InvalidName: If `name` has segments that aren't portable names.
            CannotAttach: If `files` isn't a directory.
            LogClosed: If the experiment is closed.
            ValueError: If `mode` isn't one of its values.
            OSError: If the system refuses.
        """
        check_choice("mode", mode, ("wb", "w"))
        self._refuse_closed()
        name = portable_path(name, "a new file")
        file = NewFile(self._files, name, self._refuse_closed, lambda new: self._log_file(new, name))
        return file if mode == "wb" else NewText(file)

    def _refuse_closed(self) -> None:
        if not self.log._stream.closing.takes_events:
            raise LogClosed(f"{self.path} was closed. Call this before close(), or inside the with block.")

    def _log_file(self, file: File, original: str) -> File:
        return self._attached.log(file, original)

    def define_metric(
        self,
        metric: str,
        *,
        event: str | None = None,
        direction: str | None = None,
        unit: str | None = None,
        description: str | None = None,
        axis: str | None = None,
    ) -> int | None:
        """Record what a metric means in the stream of `log`, as `Logger.define_metric` does.

        The exceptions are those of `Logger.define_metric`.

        Args:
            metric: The name of the metric: a member of the data, such as `"loss"`.
            event: The name of the events that have the metric; by default, all events of the stream that have it.
            direction: `"minimize"` if lower values are better, `"maximize"` if higher values are better.
            unit: The unit of the values, preferably a [UCUM](https://ucum.org) code: `"s"`, `"%"`, `"By"`, `"W"`.
            description: The meaning, for people.
            axis: The member of the data that gives the positions of the values, such as `"epoch"` or `"tokens"`; by
                default `step`.

        Returns:
            As for `Logger.define_metric`.

        Example:
            ```python
            from mlvlogger import Exp, read

            with Exp("runs", "my_exp_1") as exp:
                exp.define_metric("loss", event="validation", direction="minimize", unit="nat", axis="epoch")
                for epoch in range(3):
                    exp.log.event("validation", epoch=epoch, loss=1 / (epoch + 1))

            run = read("runs/my_exp_1")
            print(run.metric("validation", "loss")[0], run.best("validation", "loss").data["epoch"])
            ```

            ```text
            [0, 1, 2] 2
            ```
        """
        return self.log.define_metric(
            metric, event=event, direction=direction, unit=unit, description=description, axis=axis
        )

    def mark(self) -> dict[str, int]:
        """Return the log positions of this process, to be saved in a checkpoint.

        The streams are flushed first, so that a killed process loses no event up to these positions. The exceptions are
        those of `flush`.

        Returns:
            For the path of each open stream, its last `seq`.
        """
        return self._streams.mark()

    def rewind(self, mark: Mapping[str, int], reason: str | None = None) -> None:
        """Supersede the events after a log position, such as that of a checkpoint (`mlv/rewind`).

        No event is deleted, and open spans stay unfinished.

        Args:
            mark: A log position that `mark` returned.
            reason: The reason, for readers of the log.

        Raises:
            TypeError: If `mark` isn't a mapping.
            ValueError: If `mark` isn't from this experiment, or contains `log.jsonl` while this process doesn't write
                it. Nothing was rewound.
            InvalidName: If `mark` contains a path that isn't a stream's. Nothing was rewound.
            StreamBusy: If another writer has one of the streams. Nothing was rewound.
            LogClosed: If the experiment is closed.
            InvalidRecord: If one of the streams is damaged. Nothing was rewound.
            UnsupportedVersion: If one of the streams has an unknown major version or requires an unknown feature.
                Nothing was rewound.
            WriteFailed: If writing fails, with `on_error="raise"`.
            OSError: If the system refuses.
        """
        self._streams.rewind(mark, reason, self._last_record)

    def flush(self) -> None:
        """Write the waiting events of all streams, as `Logger.flush` does.

        Raises:
            WriteFailed: If writing fails, with `on_error="raise"`; otherwise there is a warning.
        """
        self._streams.flush()

    def close(self, status: str = "completed", error: BaseException | None = None) -> None:
        """End and seal each stream of this process.

        Each stream gets an `mlv/end`, which seals it. If `log` is paused, the streams are sealed without an end, and
        the experiment stays paused. A second call does nothing.

        Args:
            status: `"completed"`, `"failed"`, `"interrupted"` or `"ended"`, which leaves open whether the work
                succeeded.
            error: The cause of a failure; its type, message and traceback are recorded.

        Raises:
            ValueError: If `status` isn't one of its values.
            WriteFailed: If writing fails, with `on_error="raise"`; otherwise there is a warning.
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
