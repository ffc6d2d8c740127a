"""The terminal, or the file or pipe in its place."""

from __future__ import annotations

from rich.console import Console

__all__ = ["output"]

_UNBOUNDED = 10_000  # columns of what isn't a terminal: whoever reads a pipe wants whole lines


def output() -> Console:
    """Where results are printed: in colour on a terminal that wants it, plain and never cut elsewhere."""
    console = Console(highlight=False, soft_wrap=False)
    return console if console.is_terminal else Console(highlight=False, width=_UNBOUNDED)
