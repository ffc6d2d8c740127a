"""Access to a stream: one thread at a time, and no signal handler in the middle of an event."""

from __future__ import annotations

import sys
from _thread import RLock  # the one of `threading`, whose import takes milliseconds

from .._errors import LogClosed
from .._messages import warn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["EXIT_TIMEOUT", "Gate"]

#: Seconds to wait, as the program ends, for a thread that may have stopped permanently.
EXIT_TIMEOUT = 0.5


class Gate:
    """The lock of a stream, and the actions that are deferred until it is free.

    The thread that holds the lock sets `is_busy` while it writes, and calls `run_deferred` afterwards. It sets
    `is_busy` without a method: an exception of a signal handler can come when a method is entered.

    Attributes:
        lock: Held while an event is made and written.
        is_busy: Whether an event is being written. A signal handler that interrupts this defers its own actions.
        deferred: The actions that signal handlers have deferred, in order.
        is_fast: Whether an event can go straight to the writer: the stream is open and isn't inherited by a fork, and
            no event waits or was dropped.
    """

    __slots__ = ("deferred", "is_busy", "is_fast", "lock")

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Replace the lock, if its thread no longer runs. An event that this thread was writing isn't continued."""
        self.lock: RLock | _ExitLock = RLock()
        self.is_busy: bool = False
        self.deferred: list[Callable[[], object]] = []
        self.is_fast: bool = False

    def run_deferred(self) -> None:
        """Run the deferred actions, in order.

        A signal handler that interrupts an action defers its actions to the end. One that comes between two actions
        runs the remaining ones before its own.
        """
        while self.deferred:
            self.is_busy = True
            try:
                if self.deferred:  # a signal handler may just have run them
                    self.deferred.pop(0)()
            except (LogClosed, ValueError) as error:
                warn(str(error))
            finally:
                self.is_busy = False

    def prepare_for_exit(self) -> None:
        """Stop waiting for threads that the interpreter has frozen, from now on."""
        self.lock = _ExitLock(self)


class _ExitLock:
    """The lock while the program ends. If a daemon thread that the interpreter has frozen holds it, it is replaced."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._lock: Any = gate.lock

    def __enter__(self) -> None:
        if not self._lock.acquire(timeout=EXIT_TIMEOUT if sys.is_finalizing() else -1):
            self._gate.reset()
            self._lock = self._gate.lock
            self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
