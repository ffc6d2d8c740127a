"""Patterns that select events by their names."""

from __future__ import annotations

import re
from functools import lru_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["matcher"]


def matcher(pattern: str) -> Callable[[str], bool]:
    """Return a function that returns whether a name matches *pattern*, which `Experiment.events` describes."""
    if pattern == "**":
        return lambda name: True
    parts = []
    for segment in pattern.split("/"):
        if segment == "**":
            parts.append("(?:[^/]+/)*")
        else:
            parts.append(
                "".join("[^/]*" if char == "*" else "[^/]" if char == "?" else re.escape(char) for char in segment)
                + "/"
            )
    regex = re.compile("".join(parts))
    return lru_cache(lambda name: regex.fullmatch(name + "/") is not None)
