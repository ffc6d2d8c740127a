"""Standard output: a terminal, a file or a pipe."""

from __future__ import annotations

from rich.console import Console

__all__ = ["output"]

_UNBOUNDED = 1_000_000_000  # columns, if the output isn't a terminal: a program that reads a pipe needs whole lines


def output() -> Console:
    """Return the console for results: color on a terminal that supports it, otherwise plain text in whole lines."""
    console = Console(highlight=False, soft_wrap=False)
    return console if console.is_terminal else Console(highlight=False, width=_UNBOUNDED)
