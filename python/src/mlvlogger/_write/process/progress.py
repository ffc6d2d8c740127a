"""Waiting for the writer process: while it makes progress, until it can't write, or until it has ended."""

from __future__ import annotations

import errno
import os
import time

from .child import PROGRESS_TIMEOUT, WriterProcess
from .ring import ERROR, ERRORS, READY, TAIL, TRIES, Ring
from .takeover import Takeover

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

__all__ = ["Progress"]


class Progress:
    """The progress of the writer process, as the logger process sees it.

    Args:
        ring: The ring.
        process: The writer process.
        takeover: The takeover, which records that an event could not be put into the ring.
    """

    def __init__(self, ring: Ring, process: WriterProcess, takeover: Takeover) -> None:
        self._ring = ring
        self._process = process
        self._takeover = takeover
        self._stuck_at = -1  # the value of TAIL at the last timeout

    def check(self) -> None:
        """Check that the last try to write succeeded, and that there was progress since the last timeout.

        Raises:
            OSError: If one of these isn't so.
        """
        words = self._ring.words
        if (number := words[ERROR]) in ERRORS:
            self._raise_error(number)
        if words[TAIL] == self._stuck_at and not self._ring.is_empty:
            self.raise_timeout()

    def wait(self, is_done: Callable[[], bool]) -> bool:
        """Wait until *is_done* returns True, or until the writer process has ended. Return whether *is_done* did.

        Raises:
            OSError: If the writer process can't write, or makes no progress for some seconds.
        """
        words = self._ring.words
        tail, since, tries = -1, 0.0, words[TRIES]
        while not is_done():
            if self._process.has_ended():
                return False
            present = time.monotonic()
            if words[TAIL] != tail:
                tail, since = words[TAIL], present
            # Of two further tries, the second began after this call.
            if (number := words[ERROR]) in ERRORS and words[TRIES] >= tries + 2:
                self._raise_error(number)
            if present - since > PROGRESS_TIMEOUT:
                if words[READY] or not self._process.kill():
                    self.raise_timeout()
                continue
            time.sleep(0.0005)
        return True

    def _raise_error(self, number: int) -> NoReturn:
        """Raise the error with which the last try of the writer process failed."""
        self._takeover.has_refused = True
        raise OSError(number, os.strerror(number))

    def raise_timeout(self) -> NoReturn:
        """Raise a TimeoutError, and note where the writer process makes no progress."""
        self._takeover.has_refused = True
        self._stuck_at = self._ring.words[TAIL]
        raise TimeoutError(errno.ETIMEDOUT, "The writer process made no progress for seconds")
