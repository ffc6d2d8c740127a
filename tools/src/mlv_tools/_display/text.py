"""Text for a terminal: what comes out of a record is shown, and never obeyed."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import mlvlogger

__all__ = ["ago", "number", "plain", "sparkline", "value"]

_BARS = "▁▂▃▄▅▆▇█"


def plain(text: str) -> str:
    """*text* on one line, with everything escaped that a terminal would obey instead of show."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def number(value: float) -> str:
    """A number with at most six significant digits."""
    return str(value) if isinstance(value, int) and abs(value) < 10**9 else f"{float(value):.6g}"


def value(item: Any) -> str:
    """A value of a record, short enough for a cell of a table."""
    if isinstance(item, bool) or item is None:
        return json.dumps(item)
    if isinstance(item, (int, float)):
        return number(item)
    if isinstance(item, str):
        return plain(item)
    if isinstance(item, (mlvlogger.File, mlvlogger.External)):
        return plain(item.path)
    if isinstance(item, dict):
        return "{" + ", ".join(f"{plain(name)}: {value(one)}" for name, one in item.items()) + "}"
    if isinstance(item, list):
        return "[" + ", ".join(map(value, item)) + "]"
    return plain(str(item))


def sparkline(values: Sequence[float], width: int = 16) -> str:
    """A curve in *width* characters at most: the mean of each part of it, and a gap where there is no finite value."""
    parts = min(width, len(values))
    means = []
    for part in range(parts):
        ones = values[len(values) * part // parts : len(values) * (part + 1) // parts]
        finite = [one for one in ones if math.isfinite(one)]
        means.append(math.fsum(one / len(finite) for one in finite) if finite else math.nan)
    known = [mean for mean in means if math.isfinite(mean)]
    if not known:
        return " " * parts
    low, high = min(known), max(known)
    scale = (len(_BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(_BARS[round((mean - low) * scale)] if math.isfinite(mean) else " " for mean in means)


def ago(time: datetime | None, now: datetime | None = None) -> str:
    """How long ago a time was: ``now``, ``5 min``, ``3 h``, ``12 d``; the date where it is longer."""
    if time is None:
        return ""
    seconds = ((now or datetime.now(timezone.utc)) - time).total_seconds()
    for limit, unit, name in ((60, 1, "s"), (3600, 60, "min"), (86400, 3600, "h"), (30 * 86400, 86400, "d")):
        if 0 <= seconds < limit:
            return f"{seconds // unit:.0f} {name} ago"
    return f"{time:%Y-%m-%d %H:%M}"
