"""Values of parameters and environments as a reader is shown them: numbers as numbers, all else as a short text."""

from __future__ import annotations

import json
import math
from datetime import date, datetime, time
from typing import Any

from mlvlogger import EventRef, ExperimentRef, External, File, Opaque, Redacted, Unencodable

__all__ = ["flat", "shown", "text"]

_EXACT = 2**53  # beyond it JavaScript has no exact integers
_LONGEST = 1000  # characters of a string


def flat(tree: dict[str, Any]) -> list[tuple[str, float | str]]:
    """The values of nested dicts, each with its names joined by dots."""
    found: list[tuple[str, float | str]] = []
    for name, value in tree.items():
        if isinstance(value, dict) and value:
            found += [(f"{text(name)}.{below}", item) for below, item in flat(value)]
        else:
            found.append((text(name), shown(value)))
    return found


def shown(value: Any) -> float | str:
    """A value as a number, if it is one that JSON and JavaScript hold exactly, and otherwise as a string."""
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, int):
        return value if abs(value) < _EXACT else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, str):
        return text(value)
    if isinstance(value, File | External):
        return text(value.path)
    if isinstance(value, ExperimentRef):
        return text(value.path or value.id)
    if isinstance(value, EventRef):
        return text(f"event {value.seq} of {value.stream}")
    if isinstance(value, Redacted):
        return "(redacted)"
    if isinstance(value, Unencodable):
        return text(value.repr)
    if isinstance(value, Opaque):
        return text(json.dumps(value.json))
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return f"({len(value)} bytes)"
    if isinstance(value, list | dict):
        return text(json.dumps(value, ensure_ascii=False, default=lambda item: str(shown(item))))
    return text(str(value))


def text(value: object, most: int = _LONGEST) -> str:
    """A string of at most *most* characters, control characters escaped."""
    line = str(value)
    line = line if len(line) <= most else line[: most - 1] + "…"
    return "".join(
        char if char.isprintable() or char == "\n" else char.encode("unicode_escape").decode() for char in line
    )
