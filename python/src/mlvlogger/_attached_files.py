"""The log of attached files, and tables that are too large for an event (specification 1.0, chapters Files, Values)."""

from __future__ import annotations

import json
import weakref

from ._errors import CannotAttach, InvalidName
from ._files import Files
from ._format.encode import encode
from ._format.json import dumps
from ._format.names import portable_name
from ._format.references import File
from ._messages import printable, warn_once
from ._new_file import attach_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._write.stream import Stream

__all__ = ["AttachedFiles"]


class AttachedFiles:
    """The attached files of an experiment, and the log of them.

    Args:
        files: The files.
        log: The stream that gets an `mlv/file` for each of them.
        experiment: The id of the experiment.
    """

    def __init__(self, files: Files, log: Stream, experiment: str) -> None:
        self._files = files
        self._log = weakref.ref(log)  # the stream refers to this object
        self._experiment = experiment

    def log(self, file: File, original: str) -> File:
        """Log an attached file, and return a reference that holds in other experiments, too.

        Args:
            file: The reference to the file.
            original: The name of its source; empty if it has none.
        """
        data: dict[str, Any] = {"file": encode(file, path="file", depth=3)}
        if original and file.path != f"files/{original}":
            data["source"] = original.encode("utf-8", "backslashreplace").decode("utf-8")
        if (stream := self._log()) is not None:
            stream.append(b'"mlv/file"', dumps(data).encode("ascii"))
        return File(file.path, file.size, file.sha256, file.media_type, self._experiment)

    def attach_table(self, event: bytes, keys: tuple[Any, ...], content: bytes) -> File | None:
        """Attach the rows of a table that an event contains, such as `files/validation/predictions.ndjson`.

        Args:
            event: The name of the event as JSON.
            keys: The keys that lead to the table in the data of the event.
            content: The content of the file.

        Returns:
            The reference to the file; None if it can't be attached, with a warning, or if the stream that would log it
                was dropped.
        """
        if self._log() is None:
            return None
        segments = [*json.loads(event).split("/"), *map(str, keys)]
        *folders, last = (portable_name(segment) for segment in segments)
        name = "/".join((*folders, portable_name(f"{last}.ndjson", is_file=True)))
        try:
            return self.log(attach_bytes(self._files, name, content), "")
        except (CannotAttach, InvalidName, OSError) as error:
            warn_once(
                f"data.{printable(str(keys[0])[:100])}: the rows of a large table can't be written to {name}: {error}. "
                "They were recorded in the event, which makes the log slow to read."
            )
            return None
