"""What every program under test has: callers that log numbered events and say which were acknowledged."""

from __future__ import annotations

import os
from typing import Any

from events import data
from mlvlogger import Exp, Logger

__all__ = ["Source", "say", "writer"]

_channel: int | None = None


def say(line: str) -> None:
    """One line into the harness's pipe, in the kernel before this returns; opened by name, so it works in any child."""
    global _channel
    if _channel is None:
        _channel = os.open(os.environ["MLV_FAULTS_ACKS"], os.O_WRONLY)
    os.write(_channel, line.encode() + b"\n")


def writer() -> dict[str, Any]:
    """The options of `Exp` for the writer that is under test."""
    name = os.environ["MLV_FAULTS_WRITER"]
    return {} if name == "direct" else {"writer": name}


class Source:
    """One caller: logs its events number 0, 1, 2, … one after another, and says what became of each.

    Args:
        exp: The experiment.
        log: A logger of it, by default its root.
        name: Further words for the name, where a process has several callers.
    """

    def __init__(self, exp: Exp, log: Logger | None = None, name: str = "") -> None:
        self._exp = exp
        self._log = log or exp.log
        self._name = name
        self._pid = 0
        self._number = 0

    def event(self) -> int | None:
        """Log the next event."""
        if self._pid != os.getpid():  # a forked child is another caller
            self._pid = os.getpid()
            self._number = 0
            self.source = f"{self._pid}{self._name}"
            say(f"begin {self.source}")
        number = self._number
        self._number += 1
        seq = self._log.event("batch", data(self.source, number))
        if seq is None:
            say(f"refused {self.source} {number}")
        else:
            say(f"kept {self.source} {number} {os.path.relpath(self._log.file, self._exp.path)} {seq}")
        return seq
