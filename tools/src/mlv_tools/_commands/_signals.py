"""Signals that end a command which writes: it removes what isn't whole, as after Ctrl-C."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["removing_on_signals"]


@contextmanager
def removing_on_signals() -> Iterator[None]:
    """Raise SystemExit in the block if SIGTERM or SIGHUP arrives, so that the block removes what it began to write.

    A query of DuckDB isn't interrupted reliably, so that the commands that run one don't use this.
    """
    numbers = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is signal.SIG_DFL]
    for number in numbers:  # `nohup` ignores SIGHUP
        signal.signal(number, _exit)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


def _exit(number: int, frame: object) -> None:
    signal.signal(number, signal.SIG_IGN)  # a second signal doesn't stop the removal
    sys.exit(128 + number)
