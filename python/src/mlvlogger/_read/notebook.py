"""How a notebook shows an experiment: its facts and parameters, and a small curve of each metric, as HTML and SVG.

All that a log says is escaped; there is no script, no style sheet and no address in it.
"""

from __future__ import annotations

import math
from html import escape

from .._format.names import DEFAULT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from .events import Event

__all__ = ["Spark", "card", "sparks"]

_WIDTH, _HEIGHT = 160, 28  # of a curve, in pixels
_METRICS = 20  # rows of the table of metrics
_LONGEST = 200  # characters of a string

_LEFT = 'style="text-align:left;vertical-align:top"'


class Spark:
    """A curve in little memory: of each stretch of values the least and the greatest, and how many values there were.

    It holds at most twice as many stretches as it is pixels wide: then each two become one.
    """

    def __init__(self) -> None:
        self.count = 0
        self.bad = 0
        self.last: float = math.nan
        self._length = 1  # values in a stretch
        self._stretches: list[tuple[float, float] | None] = []  # None: nothing finite in it

    def add(self, value: float) -> None:
        """Add a value, which comes after the others."""
        finite = math.isfinite(value)
        if self.count % self._length == 0:
            if len(self._stretches) == 2 * _WIDTH:
                self._stretches = [_both(*self._stretches[i : i + 2]) for i in range(0, 2 * _WIDTH, 2)]
                self._length *= 2
            self._stretches.append((value, value) if finite else None)
        elif finite:
            self._stretches[-1] = _both(self._stretches[-1], (value, value))
        self.count += 1
        self.bad += not finite
        self.last = value

    @property
    def range(self) -> tuple[float, float] | None:
        """The least and the greatest of all values that are finite; None where none is."""
        whole = None
        for stretch in self._stretches:
            whole = _both(whole, stretch)
        return whole

    def svg(self) -> str:
        """The curve; where nothing is finite, it has a gap."""
        whole = self.range
        if whole is None or self.count < 2:
            return ""
        low, span = whole[0], (whole[1] - whole[0]) or 1.0
        path, pen = [], "M"
        for i, stretch in enumerate(self._stretches):
            if stretch is None:
                pen = "M"
                continue
            x = 1 + i * (_WIDTH - 2) / max(1, len(self._stretches) - 1)
            for value in dict.fromkeys(stretch):
                y = _HEIGHT - 2 - (value - low) / span * (_HEIGHT - 4)
                path.append(f"{pen}{x:.1f} {y:.1f}")
                pen = "L"
        return (
            f'<svg width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">'
            f'<path d="{"".join(path)}" fill="none" stroke="#4269d0" stroke-width="1.4" stroke-linecap="round"/></svg>'
        )


def _both(a: tuple[float, float] | None, b: tuple[float, float] | None = None) -> tuple[float, float] | None:
    """The stretch of two stretches."""
    if a is None or b is None:
        return a or b
    return min(a[0], b[0]), max(a[1], b[1])


def sparks(events: Iterable[Event], found: dict[tuple[str, str, str], Spark]) -> None:
    """Add the metrics of events to *found*, by stream, event and name: the text of two of them may be the same."""
    for event in events:
        for name, value in event.metrics.items():
            try:
                number = float(value)
            except OverflowError:
                number = math.inf if value > 0 else -math.inf
            found.setdefault((event.stream, event.name, name), Spark()).add(number)


def card(
    title: str,
    facts: dict[str, Any],
    params: dict[str, Any],
    found: dict[tuple[str, str, str], Spark],
    notes: list[str],
) -> str:
    """The HTML of an experiment."""
    rows = [_row(name, value) for name, value in facts.items() if value not in (None, "", [])]
    parts = [f"<b>{_escaped(title)}</b>", _table(rows)]
    if params:
        parts += [_fold("Parameters", _table(_row(name, value) for name, value in params.items()))]
    if found:
        heads = ("metric", "last", "least", "greatest", "values", "")
        head = f"<tr>{''.join(f'<th {_LEFT}>{name}</th>' for name in heads)}</tr>"
        parts += [_fold("Metrics", _table([head, *(_spark_row(*one) for one in list(found.items())[:_METRICS])]))]
        if len(found) > _METRICS:
            notes = [*notes, f"{len(found) - _METRICS} more metrics are left out."]
    return f"<div>{''.join(parts)}{''.join(f'<div><i>{_escaped(note)}</i></div>' for note in notes)}</div>"


def _fold(title: str, content: str) -> str:
    return f"<details open><summary>{title}</summary>{content}</details>"


def _table(rows: Iterable[str]) -> str:
    return f"<table>{''.join(rows)}</table>"


def _row(name: str, value: Any) -> str:
    return f"<tr><th {_LEFT}>{_escaped(name)}</th><td {_LEFT}>{_escaped(value)}</td></tr>"


def _spark_row(names: tuple[str, str, str], spark: Spark) -> str:
    stream, event, metric = names
    name = f"{event}.{metric}" + ("" if stream == DEFAULT else f" ({stream})")
    low, high = spark.range or (math.nan, math.nan)
    count = f"{spark.count}" + (f", {spark.bad} not finite" if spark.bad else "")
    cells = [_escaped(name), *(f"{number:.6g}" for number in (spark.last, low, high)), count, spark.svg()]
    return f"<tr>{''.join(f'<td {_LEFT}>{cell}</td>' for cell in cells)}</tr>"


def _escaped(value: object) -> str:
    """A value as a short text that is only text; a control character or a lone surrogate is written as its escape."""
    line = value if isinstance(value, str) else repr(value)
    line = line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
    visible = (char if char.isprintable() else char.encode("unicode_escape").decode() for char in line)
    return escape("".join(visible))
