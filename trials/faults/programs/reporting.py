"""What every program under test has: callers that log numbered events and report which were acknowledged."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from events import data
from mlvlogger import Exp, MLVError

__all__ = ["Source", "attempt", "must_end", "report", "report_warnings", "writer"]

_channel: int | None = None


def report(line: str) -> None:
    """Write a line into the pipe of the harness. Each process opens the pipe by name, so that any child can report."""
    global _channel
    if _channel is None:
        _channel = os.open(os.environ["MLV_FAULTS_ACKS"], os.O_WRONLY)
    os.write(_channel, line.encode() + b"\n")


def must_end() -> bool:
    """Whether the harness has called `Program.request_end`."""
    return os.path.exists("end")


def report_warnings() -> None:
    """Report every warning from now on, even a repeated one."""
    warnings.simplefilter("always")
    warnings.showwarning = lambda message, *_: report(f"warned {message}".replace("\n", " "))


def attempt(what: str, call: Callable[..., Any], *arguments: Any) -> Any:
    """Return what *call* returns, or None after an error of the system or the logger, which is reported."""
    try:
        return call(*arguments)
    except (OSError, MLVError) as error:
        cause = f" caused by {error.__cause__!r}" if error.__cause__ else ""
        report(f"raised {what}: {type(error).__name__}: {error}{cause}".replace("\n", " "))
        return None


def writer() -> dict[str, Any]:
    """The options of `Exp` for the writer that is under test."""
    return {"writer": os.environ["MLV_FAULTS_WRITER"]}


class Source:
    """One caller: logs its events number 0, 1, 2, … one after another, and reports the outcome of each.

    Args:
        exp: The experiment.
        log: A logger of it, by default its root; or what has `event` and `file` as loggers have.
        name: Further words for the name, where a process has several callers.
        report: Called with each line; by default, the line is written at once.
    """

    def __init__(self, exp: Exp, log: Any = None, name: str = "", report: Callable[[str], None] = report) -> None:
        self._exp = exp
        self._report = report
        self.log = log or exp.log
        self._name = name
        self._pid = 0
        self._number = 0

    def event(self, name: str = "batch") -> int | None:
        """Log the next event."""
        number, members = self._next()
        seq = None
        try:
            seq = self.log.event(name, members)
        finally:
            self._report_outcome(number, seq)
        return seq

    @contextmanager
    def span(self, name: str) -> Iterator[None]:
        """A span, of which the begin and the end are the next events; in it, events are logged below its name."""
        number, members = self._next()
        outer, self.log = self.log, self.log.span(name, members)
        self._report_outcome(number, self.log.seq)
        try:
            yield
        finally:
            span, self.log = self.log, outer
        number, members = self._next()
        self._report_outcome(number, span.end(members))

    def _next(self) -> tuple[int, dict[str, Any]]:
        if self._pid != os.getpid():  # a forked child is another caller
            self._pid = os.getpid()
            self._number = 0
            self._source = f"{self._pid}{self._name}"
            self._report(f"begin {self._source}")
        number = self._number
        self._number += 1
        return number, data(self._source, number)

    def _report_outcome(self, number: int, seq: int | None) -> None:
        if seq is None:
            self._report(f"refused {self._source} {number}")
        else:
            stream = os.path.relpath(self.log.file, self._exp.path)
            self._report(f"kept {self._source} {number} {stream} {seq} {time.monotonic_ns()}")
