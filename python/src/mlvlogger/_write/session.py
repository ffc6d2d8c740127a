"""The start of a session: the file is locked, an incomplete line is removed, and `mlv/start` is written."""

from __future__ import annotations

import os
import time

from .._disk.blocks import CHUNK
from .._disk.folder import Folder, identity, open_regular
from .._disk.host import host
from .._disk.line_file import LineFile
from .._disk.stream_lock import LockHeld
from .._errors import InvalidRecord, StreamBusy, UnsupportedVersion
from .._format.encode import encode
from .._format.json import MAX_INT, dumps
from .._format.lifecycle import START
from .._format.line import Pending
from .._version import SPEC_VERSION, __version__
from .direct import DirectWriter
from .recovery import StreamState, scan_file
from .registry import is_open_here
from .unsealed_hash import UnsealedHash, new_digest
from .writer import put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .._format.references import EventRef
    from .destination import Destination

__all__ = ["SessionStart", "open_session"]

_LOCK_TIMEOUT = 5.0  # seconds to wait for a writer process whose logger process has ended
_MIN_NUMBERS = 2**32  # that a stream must have left for a session
_BEGINNING = b'{"seq":1,"time":"'  # of the first line that mlvlogger writes


class SessionStart:
    """Makes the `mlv/start` of each session of a stream.

    Args:
        experiment: The id of the experiment, or None for a bare log.

    Attributes:
        record: The number and digest of the metadata record that the session runs under, or None for a bare log.
    """

    def __init__(self, experiment: str | None) -> None:
        self.experiment = experiment
        # Not the function that returns it: it refers to the experiment, so that the stream would never be freed.
        self.record: tuple[int, str] | None = None

    def event(
        self,
        *,
        recovered: dict[str, Any] | None = None,
        fork_of: EventRef | None = None,
        replaces: dict[str, Any] | None = None,
    ) -> Pending:
        """Return the event `mlv/start`."""
        data: dict[str, Any] = {"mlv": SPEC_VERSION}
        if self.experiment is not None:
            data["experiment"] = self.experiment
        if self.record is not None:
            number, sha256 = self.record
            data["record"] = {"number": number, "sha256": sha256}
        data["writer"] = {"name": "mlvlogger", "version": __version__}
        data["host"] = encode(host(), path="host", depth=3)
        data["pid"] = os.getpid()
        if recovered:
            data["recovered"] = recovered
        if fork_of:
            data["fork_of"] = encode(fork_of, path="fork_of", depth=3)
        if replaces:
            data["replaces"] = replaces
        return Pending(START, dumps(data).encode("ascii"))


def open_session(
    destination: Destination,
    start: SessionStart,
    *,
    new: bool,
    record: Callable[[], tuple[int, str]] | None = None,
    fork_of: EventRef | None = None,
    sync: bool = False,
) -> None:
    """Open the file of a destination, give it a writer, and write `mlv/start`.

    Args:
        destination: The file.
        start: Makes `mlv/start`.
        new: Whether to create the file. If so, it must not exist; otherwise it must exist.
        record: Returns `SessionStart.record`. It is called after the file is locked and before it is written.
        fork_of: For a forked child, the last event of its parent.
        sync: Whether the file and its name must be on disk.

    Raises:
        FileExistsError, FileNotFoundError, StreamBusy, InvalidRecord, UnsupportedVersion, OSError: As for `Stream`.
    """
    file = _lock_file(destination, new)
    try:
        state, recovered = (StreamState(), None) if new else _recover(file, destination.path)
        if record is not None:
            start.record = record()
        # This may raise, so it comes before the file is changed.
        event = start.event(recovered=recovered, fork_of=fork_of)
        if recovered:
            file.truncate(state.size)
        unsealed_hash = UnsealedHash(file, state.hash_start)
        unsealed_hash.read(state.size)  # the lines of an earlier session that has no seal
        destination.writer = DirectWriter(unsealed_hash, state.seq)
        destination.session = object()
        put(destination.writer, time.time_ns(), event)
        if sync:
            destination.writer.sync()
            with destination.folder() as folder:
                folder.sync()
        if destination.uses_process and fork_of is None:
            destination.start_process(unsealed_hash)
    except BaseException:
        file.close()
        if new and not file.size:
            with destination.folder() as folder:
                folder.remove(destination.name.rpartition("/")[2])  # it is empty, and its name becomes free again
        raise


def _lock_file(destination: Destination, new: bool) -> LineFile:
    """Open and lock the file. If the writer process of a process that has ended holds the lock, wait for it."""
    root, name = destination.root, destination.name
    until = time.monotonic() + _LOCK_TIMEOUT
    start: dict[str, Any] | None = None
    while True:
        file: LineFile | None = None
        try:
            file = LineFile(name, new=new, root=root)
            file.acquire_lock(destination.takeover)
            return file
        except BaseException as error:
            if file is not None:
                file.close()
            if not isinstance(error, StreamBusy):
                raise
            held = error if isinstance(error, LockHeld) else None
        start = _last_start(root, name) if start is None else start
        is_unknown = held is not None and held.is_unknown  # then no writer process of this host has the lock
        if is_unknown or time.monotonic() > until or not _has_opener_ended(start, root, name):
            raise StreamBusy(_describe_holder(root, name, destination.path, held))
        time.sleep(0.005)


def _last_start(root: Folder, name: str) -> dict[str, Any]:
    """Return the data of the last `mlv/start` in the file."""
    with open_regular(root.at(name), dir_fd=root.fd) as file:
        return scan_file(file).start or {}


def _has_opener_ended(start: dict[str, Any], root: Folder, name: str) -> bool:
    """Return whether the process that opened a stream has ended. On another host, that is unknown: return False."""
    pid = start.get("pid")
    if start.get("host") != host() or type(pid) is not int or not hasattr(os, "posix_spawn"):
        return False
    if pid == os.getpid():
        return not is_open_here(identity(root.stat(name)))
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        pass
    return False


def _describe_holder(root: Folder, name: str, path: str, held: LockHeld | None) -> str:
    """Return the message of a StreamBusy."""
    start = _last_start(root, name)
    is_here = (
        start.get("host") == host() and start.get("pid") == os.getpid() and is_open_here(identity(root.stat(name)))
    )
    if is_here and not (held is not None and held.is_unknown):
        return (
            f"{path}: this process ({os.getpid()}) has the log open already, as after a notebook cell that "
            "ran twice. Close the earlier Exp or Logger first: call close() on it."
        )
    holder = start if held is None or not held.holder else held.holder
    who = f"process {holder.get('pid')!r} on {holder.get('host')!r}" + (" opened it last" if holder is start else "")
    if held is not None and held.is_unknown:
        return (
            f"{path}: the lock file of another writer ({who}) is in {held.folder}, and this process can't see whether "
            "that writer still runs. If it has ended, take the log over: pass takeover=True. Otherwise log to a "
            "separate stream: exp.stream(name), Exp.open(path)."
        )
    return (
        f"{path}: another writer has the log ({who}). Wait until it ends, or log to a separate stream: "
        "exp.stream(name), Exp.open(path)."
    )


def _recover(file: LineFile, path: str) -> tuple[StreamState, dict[str, Any] | None]:
    """Return the state of a stream, and the member `recovered` if there are bytes after the last line feed."""
    with file.reader() as reader:
        state = scan_file(reader)
    if state.size and not state.has_start:
        raise InvalidRecord(f"{path} is not an MLV stream: its first line isn't mlv/start. Log to another file.")
    if state.refusal is not None:
        raise UnsupportedVersion(f"{path}: {state.refusal}")
    if state.seq > MAX_INT - _MIN_NUMBERS:
        raise InvalidRecord(f"{path}: the last seq is {state.seq}, so no numbers are left. Log to another file.")
    if not state.size and not _may_be_emptied(file.read(len(_BEGINNING), 0)):
        raise InvalidRecord(f"{path} is not an MLV stream: it does not begin as one. Log to another file.")
    torn = file.size - state.size
    if not torn:
        return state, None
    digest = new_digest()
    for offset in range(state.size, file.size, CHUNK):
        digest.update(file.read(min(CHUNK, file.size - offset), offset))
    return state, {"size": torn, "sha256": digest.hexdigest()}


def _may_be_emptied(beginning: bytes) -> bool:
    """Return whether a file without a line feed is a log that a crash left: its first line is incomplete, or zeros."""
    return _BEGINNING.startswith(beginning) or not beginning.strip(b"\0")
