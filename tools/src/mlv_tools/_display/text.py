"""Text for a terminal: control characters from a log are escaped, so that a terminal doesn't execute them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from mlvlogger import External, File, Histogram, Table

__all__ = ["ago", "as_float", "encodable", "mean", "number", "printable", "sparkline", "utc", "value"]

_BARS = "▁▂▃▄▅▆▇█"
_AGES = ((60, 1, "s"), (3600, 60, "min"), (86400, 3600, "h"), (30 * 86400, 86400, "d"))  # limit, unit, name


def printable(text: str, keep: str = "") -> str:
    """Escape all characters that aren't printable: control characters, line feeds, direction marks, surrogates.

    Args:
        text: Any string, such as a name from a log.
        keep: Characters that aren't escaped.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in keep else repr(char)[1:-1] for char in text)


def encodable(text: str) -> str:
    """Escape lone surrogates, which a string of a log may have and UTF-8 can't represent."""
    return text.encode("utf-8", "backslashreplace").decode()


def number(value: float) -> str:
    """Format a number: a float with at most six significant digits, an integer with all of them if it has up to 20."""
    if isinstance(value, int):
        return str(value) if abs(value) < 10**20 else f"{Decimal(value):.6g}"
    return f"{float(value):.6g}"


def as_float(value: float) -> float:
    """Return a number as a float; an integer beyond all floats is infinite."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def mean(values: Sequence[float]) -> float:
    """Return the mean of numbers, an integer if it is beyond all floats; NaN for infinities of both signs."""
    if infinite := {one for one in values if one in (math.inf, -math.inf)}:
        return sum(infinite)
    try:
        return math.fsum(values) / len(values)
    except OverflowError:  # the sum or a value is beyond all floats; the mean needn't be
        exact = Fraction(sum(map(Fraction, values)), len(values))
    try:
        return float(exact)
    except OverflowError:
        return round(exact)


def value(item: Any) -> str:
    """Format a value of a record for a cell of a table."""
    if isinstance(item, bool) or item is None:
        return json.dumps(item)
    if isinstance(item, (int, float)):
        return number(item)
    if isinstance(item, str):
        return printable(item)
    if isinstance(item, (File, External)):
        return printable(item.path)
    if isinstance(item, Histogram):
        ends = f"{number(item.edges[0])} to {number(item.edges[-1])}"
        return f"{sparkline(item.counts)} {ends}, {number(as_float(sum(item.counts)))} values"
    if isinstance(item, Table):
        return f"table of {len(item.rows)} rows: {', '.join(map(printable, item.columns))}"
    if isinstance(item, dict):
        return "{" + ", ".join(f"{printable(name)}: {value(one)}" for name, one in item.items()) + "}"
    if isinstance(item, list):
        return "[" + ", ".join(map(value, item)) + "]"
    return printable(str(item))


def sparkline(values: Sequence[float], width: int = 16) -> str:
    """Draw a curve with at most *width* characters.

    Each character is the mean of a part of the values, or a space if the part has no finite value.
    """
    values = list(map(as_float, values))
    parts = min(width, len(values))
    means = []
    for part in range(parts):
        ones = values[len(values) * part // parts : len(values) * (part + 1) // parts]
        finite = [one for one in ones if math.isfinite(one)]
        means.append(mean(finite) if finite else math.nan)
    known = [one for one in means if math.isfinite(one)]
    if not known:
        return " " * parts
    low, high = min(known) / 2, max(known) / 2  # halves, because the difference of two floats may be infinite
    steps = len(_BARS) - 1
    span = high - low
    return "".join(
        (_BARS[round((one / 2 - low) / span * steps)] if span else _BARS[0]) if math.isfinite(one) else " "
        for one in means
    )


def ago(time: datetime | None, now: datetime | None = None) -> str:
    """Format the time since *time*, such as ``5 min ago``; the date in UTC, if it is in the future or 30 days ago."""
    if time is None:
        return ""
    seconds = ((now or datetime.now(UTC)) - time).total_seconds()
    for limit, unit, name in _AGES:
        if 0 <= seconds < limit:
            return f"{seconds // unit:.0f} {name} ago"
    return utc(time, " ", "minutes", " UTC")


def utc(time: datetime, separator: str, timespec: str, zone: str) -> str:
    """Format a time in UTC, with *zone* at its end; in its own time zone if the year in UTC would be 0 or 10000."""
    try:
        return time.astimezone(UTC).replace(tzinfo=None).isoformat(separator, timespec) + zone
    except OverflowError:
        return time.isoformat(separator, timespec)
