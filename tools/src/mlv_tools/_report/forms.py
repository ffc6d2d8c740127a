"""The histograms and tables in events, for the page."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

from mlv_tools._display.values import display, shorten
from mlvlogger import Histogram, Table

__all__ = ["forms", "shown_forms"]

_BUCKETS = 64  # of a histogram: neighbouring buckets are joined
_ROWS, _COLUMNS = 20, 12  # of a table, the first ones
_EACH = 30  # values of a series: a member of an event's data in one experiment
_ALL = 2000

Json = dict[str, Any]


def forms(event: str, step: int | None, data: str) -> Iterator[Json]:
    """Yield the histograms and tables in the data of an event, with at most `_BUCKETS` buckets or `_ROWS` rows.

    Args:
        event: The name of the event.
        step: The step of the event, or None.
        data: The data as JSON. A value of a wrong form is left out.
    """
    waiting: list[tuple[tuple[str, ...], Any]] = [((), json.loads(data))]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, list):
            waiting += [((*path, str(i)), item) for i, item in reversed(list(enumerate(value)))]
        elif isinstance(value, dict) and value.get("_mlv") in ("histogram", "table"):
            try:
                form = _histogram(value) if value["_mlv"] == "histogram" else _table(value)
            except (KeyError, TypeError, ValueError, AttributeError):
                continue
            yield {"event": shorten(event, 200), "key": shorten(".".join(path), 200), "step": step, **form}
        elif isinstance(value, dict):
            waiting += [((*path, name), item) for name, item in reversed(value.items())]


def _histogram(value: Json) -> Json:
    histogram = Histogram(value["edges"], value["counts"])
    size = math.ceil(len(histogram.counts) / _BUCKETS)  # buckets that are joined
    edges = [*histogram.edges[:-1:size], histogram.edges[-1]]
    sums = [0.0, *accumulate(map(float, histogram.counts))]
    counts = [sums[min(at + size, len(sums) - 1)] - sums[at] for at in range(0, len(histogram.counts), size)]
    outside = [f"{value[name]} {label}" for name, label in _OUTSIDE if value.get(name)]
    return {"edges": edges, "counts": [display(count) for count in counts], "outside": shorten(", ".join(outside), 200)}


_OUTSIDE = (("nan", "NaN"), ("below", "below"), ("above", "above"))


def _table(value: Json) -> Json:
    table = Table(value["columns"], value["rows"])
    left = [f"{len(table.rows) - _ROWS} more rows"] * (len(table.rows) > _ROWS)
    left += [f"{len(table.columns) - _COLUMNS} more columns"] * (len(table.columns) > _COLUMNS)
    return {
        "columns": [shorten(name, 100) for name in table.columns[:_COLUMNS]],
        "rows": [[_cell(cell) for cell in row[:_COLUMNS]] for row in table.rows[:_ROWS]],
        "left": ", ".join(left),
    }


def _cell(cell: Any) -> float | str:
    if isinstance(cell, dict) and isinstance(text := cell.get("value", cell.get("path")), str) and "_mlv" in cell:
        return shorten(text, 200)
    return display(cell) if not isinstance(cell, str) else shorten(cell, 200)


def shown_forms(found: list[tuple[int, Json]]) -> tuple[list[Json], list[str]]:
    """Return the histograms and tables of the page, and notes about those that are left out.

    Args:
        found: All of them in the order of the log, each with the number of the experiment.
    """
    series: dict[tuple[int, str, str], list[Json]] = {}
    for number, form in found:
        series.setdefault((number, form["event"], form["key"]), []).append(form | {"e": number})
    shown: list[Json] = []
    for group in series.values():
        numbered = [
            form | {"counted": form["step"] is None, "step": at if form["step"] is None else form["step"]}
            for at, form in enumerate(group)
        ]
        last = len(numbered) - 1
        places = sorted(
            {round(part * last / (_EACH - 1)) for part in range(_EACH)} if last >= _EACH else range(last + 1)
        )
        shown += [numbered[place] for place in places]
    shown = shown[:_ALL]
    left = len(found) - len(shown)
    return shown, [f"{left} of {len(found)} histograms and tables are left out, evenly."] * (left > 0)
