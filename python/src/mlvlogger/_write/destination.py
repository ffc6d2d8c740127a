"""The file that a stream writes, and the writer that writes it."""

from __future__ import annotations

import os

from .._disk.folder import Folder
from .._messages import warn
from .direct import DirectWriter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .._format.line import Numbered
    from .process.client import ProcessWriter
    from .unsealed_hash import UnsealedHash

__all__ = ["Destination"]


class Destination:
    """The file of a stream and its writer.

    Args:
        root: The experiment's directory, or that of a bare log.
        name: The path of the file in it.
        uses_process: Whether to use a writer process, if one can be started.
        takeover: Whether to take the stream from a writer that can't be examined (`StreamLock`).

    Attributes:
        writer: The writer, from `open_session` on.
        session: Changes with everything that ends open spans: a new session, or a rewind.
    """

    writer: DirectWriter | ProcessWriter

    def __init__(self, root: Folder, name: str, uses_process: bool, takeover: bool) -> None:
        self.root = root
        self.name = name
        self.uses_process = uses_process
        self.takeover = takeover
        self.session: object = object()

    @property
    def path(self) -> str:
        """The present path of the file."""
        return os.path.join(self.root.path, self.name)

    def folder(self) -> Folder:
        """Open the folder of the file, and return it."""
        return Folder(self.root, *self.name.split("/")[:-1])

    def end_spans(self) -> bytes:
        """End all open spans, and return the span members of the event that ends them: none."""
        self.session = object()
        return b""

    def start_process(self, unsealed_hash: UnsealedHash) -> None:
        """Start a writer process that writes from now on. If that fails, warn, and continue to write directly.

        Args:
            unsealed_hash: The hash of the file since its last seal.
        """
        try:
            from .process.client import ProcessWriter

            self.writer = ProcessWriter(unsealed_hash, self.writer.seq)
        except Exception as error:  # a limit on descriptors, memory or sizes shows in many ways, also while importing
            reason = error if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
            warn(
                f"no process could be started to write {self.path}: {reason}. This process writes the events directly."
            )

    def stop_process(self, writer: ProcessWriter) -> list[Numbered]:
        """Write directly from now on, and return the events that the writer process hasn't written."""
        unsealed_hash, seq, waiting = writer.hand_over()
        self.writer = DirectWriter(unsealed_hash, seq)
        return waiting
