"""The open streams of this process: what happens to all of them in a forked child, and before the interpreter ends."""

from __future__ import annotations

import atexit
import os
from _weakrefset import WeakSet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .stream import Stream

__all__ = ["is_open_here", "register"]

_streams: WeakSet[Stream] = WeakSet()
_has_hooks = False


def register(stream: Stream) -> None:
    """Add a stream, and with the first one, the hooks."""
    global _has_hooks
    if not _has_hooks:
        _has_hooks = True
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_after_fork)
        atexit.register(_before_exit)
    _streams.add(stream)


def is_open_here(file: tuple[int, int]) -> bool:
    """Return whether a stream of this process has the file, given by its identity."""
    return any(stream.file_identity == file for stream in list(_streams) if not stream.closed)


def _after_fork() -> None:
    for stream in list(_streams):
        stream.forked()


def _before_exit() -> None:
    # Another process writes what it has also when we are gone, but not in a container that ends with us.
    for stream in list(_streams):
        stream.prepare_for_exit()
