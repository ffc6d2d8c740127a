"""What a stream does when another program has changed its file (specification 1.0, `writer.file-own`)."""

from __future__ import annotations

import errno
import os
import time

from .._disk.blocks import CHUNK
from .._disk.folder import Folder, temporary_name
from .._disk.line_file import FileChanged, LineFile
from .._disk.publish import link
from .._disk.stream_lock import StreamLock, remove_stale_locks
from .._errors import StreamBusy
from .direct import DirectWriter
from .unsealed_hash import UnsealedHash
from .writer import put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NoReturn

    from .._format.line import Pending
    from .backlog import Backlog
    from .destination import Destination
    from .reports import Reports
    from .session import SessionStart

__all__ = ["Relocation"]

_MAX_COPY = 1024 * 1024 * 1024  # bytes of a log that is copied when another program has removed or replaced it
_RETRY = 1.0  # seconds from a failed try to the next one
_MAX_TRIES = 1000  # for a free name


class Relocation:
    """Continues a stream whose file isn't at its path any more: at the same path, or in a new stream.

    Args:
        destination: The file, which is replaced by another one.
        start: Makes the `mlv/start` of a new stream.
        reports: Reports the change of the file.

    Attributes:
        replaced: The streams that this one replaces (`writer.kept-stream`), and whether it has all lines of each.
    """

    def __init__(self, destination: Destination, start: SessionStart, reports: Reports) -> None:
        self._destination = destination
        self._first_name = destination.name
        self._start = start
        self._reports = reports
        self.reset()

    def reset(self) -> None:
        """Forget the state of the parent, in a forked child."""
        self.replaced: dict[str, bool] = {}
        self._was_republished = False
        self._has_failed = False  # whether the file isn't at its path, and relocating it failed
        self._retry_at = 0.0  # the time (`time.monotonic`) of the next try
        self._last_error = OSError()  # of the last try

    def describe_risk(self) -> str:
        """Return a warning about acknowledged events that may be lost, for a message; empty if they are safe."""
        if not self._has_failed:
            return ""
        return (
            f"The log isn't at its path, and its events up to seq {self._destination.writer.seq} are lost if this "
            "doesn't work before close() or the end of the program. Free what is missing, and call flush()."
        )

    def free_names(self, kind: str) -> Iterator[str]:
        """Iterate over names for a new stream that continues this one; see `_free_names`."""
        name = None if self._start.experiment is not None else self._first_name
        return _free_names(self._destination.root, name, kind)

    def remove_child_locks(self) -> None:
        """Remove the locks of forked children that have ended without a close."""
        remove_stale_locks(self._destination.root, self._prefix("fork"))

    def _prefix(self, kind: str) -> str:
        name = None if self._start.experiment is not None else self._first_name
        folder, stem, _ = _naming(name)
        return f"{folder}{stem}{kind}-"

    def relocate(self, change: FileChanged, backlog: Backlog, at_once: bool) -> None:
        """Continue the stream at its path or in a new stream.

        Args:
            change: How the file was changed.
            backlog: The waiting events. They are renumbered for the new file.
            at_once: Whether to retry immediately after a failed try.

        Raises:
            OSError: If both fail. Nothing is written, and a later call can try again.
        """
        if not at_once and time.monotonic() < self._retry_at:
            raise self._last_error from None
        self._has_failed = True
        try:
            self._relocate(change, backlog)
        except OSError as error:
            self._last_error, self._retry_at = error, time.monotonic() + _RETRY
            raise
        self._has_failed = False

    def _relocate(self, change: FileChanged, backlog: Backlog) -> None:
        """Continue the stream once, and add a report. Arguments and errors as for `relocate`."""
        destination = self._destination
        last = destination.writer.seq
        if not isinstance(destination.writer, DirectWriter):
            backlog.insert(destination.stop_process(destination.writer), destination.writer.seq)
            try:
                destination.writer.check()
            except FileChanged as again:
                change = again
        if destination.root.is_removed:
            self._raise_removed()
        how, old, path = change.how, destination.writer.file, destination.path
        has_copy = how in ("removed", "replaced") and old.size <= _MAX_COPY
        is_same_path = False
        try:
            if how == "removed" and has_copy and not self._was_republished:
                is_same_path = self._publish(destination.name, None, True, backlog)
            if not is_same_path:
                self._publish_kept(has_copy, last, backlog)
        except FileChanged:
            has_copy = False
            self._publish_kept(has_copy, last, backlog)
        self._was_republished = is_same_path
        if is_same_path:
            what = f"Its {old.size} bytes were written again under the same name, and logging continues there"
        else:
            what = f"Logging continues in {destination.path}, which " + (
                "begins with all events of the old file" if has_copy else f"follows event {last} of the old file"
            )
        advice = (
            "Keep other programs, such as log rotation, cleaners and editors, away from logs that are being written."
        )
        if how == "taken over":
            advice = "End this program if the other one continues its work."
        self._reports.add_change(f"{path} was {how} by another program. {what}. {advice}")

    def _raise_removed(self) -> NoReturn:
        """Raise FileNotFoundError because the directory is gone, and warn about it once."""
        gone, path = "The directory was removed by another program", self._destination.root.path
        if not self._reports.raises:
            self._reports.warn_once(
                gone,
                f"{path}: {gone[0].lower()}{gone[1:]}, with what was logged. It isn't made "
                "again, and events are lost from here on. Use a savedir that no other program cleans up.",
            )
        raise FileNotFoundError(errno.ENOENT, gone, path)

    def _publish_kept(self, has_copy: bool, last: int, backlog: Backlog) -> None:
        """Continue in a new stream, whose start names the stream that it replaces (`writer.kept-stream`).

        Args:
            has_copy: Whether the new stream begins with a copy of the old file.
            last: The last seq in the old file.
            backlog: The waiting events.

        Raises:
            OSError: If the system refuses.
        """
        destination = self._destination
        old_name, old_seq = destination.name, destination.writer.seq
        start = self._start.event(replaces={"stream": old_name, "last": last})
        for name in self.free_names("kept"):
            if self._publish(name, start, has_copy, backlog):
                break
        self.replaced = {name: has and has_copy for name, has in self.replaced.items()} | {old_name: has_copy}
        destination.session = object()
        backlog.move(old_seq, destination.writer.seq)  # here, because their seqs follow that of the start

    def _publish(self, name: str, start: Pending | None, has_copy: bool, backlog: Backlog) -> bool:
        """Continue in a file that `_copy` makes, and return True. If the name is taken, return False.

        Raises:
            OSError: If that fails. Nothing is changed.
        """
        destination, old = self._destination, self._destination.writer
        assert isinstance(old, DirectWriter)
        lock = old.file.lock
        try:
            if name != destination.name:
                lock = StreamLock(destination.root, name, old.file.kernel_lock)
        except StreamBusy:
            return False
        writer = _copy(destination.root, old, name, start, has_copy)
        if writer is None:
            return False
        writer.file.name = destination.name = name
        writer.file.lock = lock
        if old.file.lock is not None and old.file.lock is not lock:
            old.file.lock.release()
        destination.writer = writer
        backlog.dropped_seq = 0
        old.file.abandon()
        if destination.uses_process:
            destination.start_process(writer.unsealed_hash)
        return True


def _copy(root: Folder, old: DirectWriter, name: str, start: Pending | None, has_copy: bool) -> DirectWriter | None:
    """Make a new file, and publish it under its name when it is complete.

    Args:
        root: The folder that *name* is relative to.
        old: The writer of the old file.
        name: The path of the new file.
        start: An `mlv/start` to write, or None.
        has_copy: Whether the new file begins with a copy of the old one.

    Returns:
        The writer of the new file, or None if the name is taken.

    Raises:
        OSError: If that fails. Nothing of the new file is left.
    """
    *folders, last = name.split("/")
    temporary = temporary_name()
    file: LineFile | None = None
    with Folder(root, *folders) as folder:
        try:
            file = LineFile("/".join([*folders, temporary]), new=True, root=root)
            if has_copy:
                for offset in range(0, old.file.size, CHUNK):
                    file.write(old.file.read(min(CHUNK, old.file.size - offset), offset), 0)
                if file.size != old.file.size:
                    raise FileChanged("truncated")  # another program has changed its size, too
            if has_copy:
                writer = DirectWriter(old.unsealed_hash.for_copy(file), old.seq)
            else:
                writer = DirectWriter(UnsealedHash(file, 0), 0)
            if start is not None:
                put(writer, time.time_ns(), start)
            file.sync()
            link(folder, temporary, folder, last)
        except BaseException as error:
            if file is not None:
                file.abandon()
            if isinstance(error, FileExistsError):
                return None
            raise
        finally:
            folder.remove(temporary)
    return writer


def _free_names(root: Folder, name: str | None, kind: str) -> Iterator[str]:
    """Iterate over names that no stream has, such as ``log/fork-1.jsonl``, or ``train.fork-1.jsonl`` for a bare log.

    Args:
        root: The directory of the experiment or of the bare log.
        name: The name of the bare log, or None for an experiment.
        kind: The word before the number.

    Raises:
        OSError: If other processes take all of the names.
    """
    folder, stem, suffix = _naming(name)
    with Folder(root, *folder.split("/")[:-1]) as inner:
        taken = {entry.lower() for entry in inner.names()}
    names = (f"{stem}{kind}-{number}{suffix}" for number in range(1, len(taken) + _MAX_TRIES + 1))
    yield from (folder + free for free in names if free.lower() not in taken)
    raise FileExistsError(errno.EEXIST, f"No name such as {stem}{kind}-1{suffix} is free", root.path)


def _naming(name: str | None) -> tuple[str, str, str]:
    """Return the folder, the beginning and the end of the names of streams next to a bare log or in an experiment."""
    if name is None:
        return "log/", "", ".jsonl"
    stem, suffix = os.path.splitext(name)
    return "", f"{stem}.", suffix
