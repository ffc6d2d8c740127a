"""The open streams of this process: they are notified of forks, and ended before the interpreter exits."""

from __future__ import annotations

import atexit
import sys

from .._disk.forks import ForkAware
from .._messages import warn
from . import exceptions, recovery
from .endings import ending_at_exit
from .unsealed_hash import new_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .stream import Stream

__all__ = ["count_forks", "is_open_here", "register"]

_streams = ForkAware(lambda stream: stream.after_fork())
_has_hook = False


def register(stream: Stream) -> None:
    """Add a stream."""
    global _has_hook
    _streams.add(stream)
    if not _has_hook:
        _has_hook = True
        atexit.register(_before_exit)


def count_forks() -> int:
    """Return how often this process has forked since its first stream was opened."""
    return _streams.forks


def is_open_here(file: tuple[int, int]) -> bool:
    """Return whether a stream of this process has the file, given by its identity."""
    return any(stream.file_identity == file for stream in _streams if not stream.closed)


def _before_exit() -> None:
    """End all streams that are open, those that an end of a default stream lists before it (`end.streams`)."""
    _preload()
    data = ending_at_exit()
    for stream in sorted(_streams, key=lambda stream: stream.lists_others):
        try:
            stream.end_at_exit(data)
        except Exception as error:  # with on_error="raise"; the other streams are ended, too
            warn(str(error))


def _preload() -> None:
    """Import what a seal, an end and a late session need: finalizers can't import anything."""
    new_digest()
    if getattr(sys, "last_type", None) is not KeyboardInterrupt:
        # These imports evaluate source text. After a KeyboardInterrupt, that would make CPython exit with code 1
        # instead of ending by the signal. The terminal shows the error anyway.
        exceptions.preload()
        recovery.preload()
