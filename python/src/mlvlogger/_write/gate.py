"""Who may write to a stream now: one thread at a time, and no signal handler in the middle of an event."""

from __future__ import annotations

import sys
from _thread import RLock  # the one of `threading`, whose import takes milliseconds

from .._errors import LogClosed
from .._messages import warn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["LAST_TIMEOUT", "Gate"]

#: Seconds to wait, as the program ends, for a thread that may have stopped permanently.
LAST_TIMEOUT = 0.5


class Gate:
    """The lock of a stream, and what is done when it is free.

    The thread that holds the lock makes the gate busy while it writes, and runs what was deferred afterwards. It sets
    `is_busy` itself: an exception of a signal handler can come at the entry of a function that would do it.
    """

    __slots__ = ("deferred", "is_busy", "is_fast", "lock")

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Release the lock of threads that are gone: they don't continue with the event that they may be in."""
        #: Held while an event is made.
        self.lock: RLock | _LastLock = RLock()
        #: Whether an event is being written. A signal handler that comes meanwhile defers its own.
        self.is_busy = False
        #: What signal handlers wanted to do meanwhile, in their order.
        self.deferred: list[Callable[[], object]] = []
        #: Whether an event can go straight to the writer: nothing is closed, inherited, waiting or dropped.
        self.is_fast = False

    def run_deferred(self) -> None:
        """Do what signal handlers have deferred, in their order.

        What a handler logs during one of these comes after all of them, and before the next, it begins with them.
        """
        while self.deferred:
            self.is_busy = True
            try:
                if self.deferred:  # a handler may just have run them itself
                    self.deferred.pop(0)()
            except (LogClosed, ValueError) as error:
                warn(str(error))
            finally:
                self.is_busy = False

    def prepare_for_exit(self) -> None:
        """From now on, don't wait for threads that the interpreter has stopped."""
        self.lock = _LastLock(self)


class _LastLock:
    """The lock from the end of the program on. A daemon thread that the interpreter has frozen may hold it;
    then the gate is reset."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._lock: Any = gate.lock

    def __enter__(self) -> None:
        if not self._lock.acquire(timeout=LAST_TIMEOUT if sys.is_finalizing() else -1):
            self._gate.reset()
            self._lock = self._gate.lock
            self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
