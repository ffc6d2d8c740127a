"""The direct writer: the calling thread writes each event into the file.

`Writer` has the contract of the methods.
"""

from __future__ import annotations

from .._format.line import line
from .seals import Seals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .._disk.line_file import LineFile
    from .._format.line import Numbers
    from .unsealed_hash import UnsealedHash

__all__ = ["DirectWriter"]

_CHECK_INTERVAL = 1_000_000_000  # nanoseconds after which an event compares the file with the one at its path


class DirectWriter:
    """Writes events into a file, each before the call returns.

    Args:
        unsealed_hash: The hash of the file since its last seal. The file belongs to the writer from now on.
        seq: The seq of the last event in the file; 0 if it is empty.
    """

    syncs_events = True

    def __init__(self, unsealed_hash: UnsealedHash, seq: int) -> None:
        self._file = file = unsealed_hash.file
        self._checked_at = self._next_check = 0  # nanoseconds since 1970
        self._seals = Seals(unsealed_hash)
        #: The seq before the first line of this writer. If seqs are left out: also before which line, and how many.
        self._numbering: tuple[int, tuple[int, int] | None] = (seq - file.lines, None)
        self.is_seal_due: bool = False

    @property
    def file(self) -> LineFile:
        """As in `Writer`."""
        return self._file

    @property
    def unsealed_hash(self) -> UnsealedHash:
        """The hash of the file since its last seal."""
        return self._seals.unsealed_hash

    @property
    def seq(self) -> int:
        """As in `Writer`."""
        base, gap = self._numbering
        lines = self._file.lines
        return base + lines + (gap[1] if gap is not None and lines >= gap[0] else 0)

    def settle(self) -> None:
        """As in `Writer`."""
        self._seals.settle()
        base, gap = self._numbering
        if gap is not None:
            self._numbering = (base + gap[1] if self._file.lines >= gap[0] else base, None)

    def check(self, nanoseconds: int = 0) -> None:
        """As in `Writer`."""
        self._file.check()
        self._checked_at, self._next_check = nanoseconds, nanoseconds + _CHECK_INTERVAL

    def put(
        self, nanoseconds: int, name: bytes, data: bytes, values: Numbers | None, span_members: bytes, skip: int = 0
    ) -> int:
        """As in `Writer`: the event is in the kernel when the call returns."""
        file = self._file
        base, gap = self._numbering
        if skip or gap is not None or file.pending or not self._checked_at <= nanoseconds < self._next_check:
            self.settle()
            self.check(nanoseconds)
            base, _ = self._numbering
            if skip:
                self._numbering = (base, (file.lines + 1, skip))
                base += skip
        seq = base + file.position[1] + 1
        file.write(line(seq, nanoseconds, name, data, values, span_members))
        if file.position[0] >= self._seals.next:
            self.is_seal_due = self._seals.keep_up()
        return seq

    def seal(self, nanoseconds: int, name: bytes, members: bytes) -> int:
        """As in `Writer`."""
        self.settle()
        seq = self.seq + 1
        self._seals.write(seq, nanoseconds, name, members)
        self.is_seal_due = False
        return seq

    def drain(self) -> None:
        """As in `Writer`: each event is in the kernel already."""

    def sync(self) -> None:
        """As in `Writer`. Errors as for `LineFile.sync`."""
        self._file.sync()

    def close(self) -> None:
        """As in `Writer`."""
        self._file.close()

    def abandon(self) -> None:
        """As in `Writer`."""
        self._file.abandon()
