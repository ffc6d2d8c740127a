"""The open streams of this process: they are notified of forks, and flushed before the interpreter exits."""

from __future__ import annotations

import atexit

from .._disk.forks import ForkAware

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
    """Flush all streams: a writer process would outlive this one, but not in a container that ends with this one."""
    for stream in _streams:
        stream.prepare_for_exit()
