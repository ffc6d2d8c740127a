"""Examples for the help of commands."""

from __future__ import annotations

__all__ = ["examples"]


def examples(*lines: str) -> str:
    """Return the last part of a help text: command lines, which click doesn't wrap."""
    return "\n\n".join(["Examples:", "\b\n" + "\n".join(f"  {line}" for line in lines)])
