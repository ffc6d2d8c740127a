"""The histograms and tables in events and in attached files, for the page."""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

from mlv_tools._display.values import display, shorten
from mlv_tools._reading.trees import Found
from mlv_tools._report.attached import Reference, content_of
from mlvlogger import Histogram, Table

__all__ = ["attached_table", "forms", "shown_forms"]

_BUCKETS = 64  # of a histogram: neighbouring buckets are joined
_ROWS, _COLUMNS = 20, 12  # of a table, the first ones
_EACH = 30  # values of a series: a member of an event's data in one experiment
_ALL = 2000
_MAX_TABLE = 16_000_000  # bytes of an attached table
_MAX_TABLES = 128_000_000  # bytes of all attached tables that are read
_ROWS_TYPE, _CSV_TYPE = "application/x-ndjson", "text/csv"

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


def attached_table(reference: Reference) -> Json | None:
    """Return the place of a table in an attached file, which `shown_forms` reads; None if the file isn't a table."""
    if reference.media_type not in (_ROWS_TYPE, _CSV_TYPE):
        return None
    names = {"event": shorten(reference.event, 200), "key": shorten(reference.key, 200), "step": reference.step}
    return names | {"reference": reference}


def _read_tables(shown: list[Json], trees: list[Found]) -> tuple[list[Json], list[str]]:
    """Return the forms with the rows of the tables in attached files, and notes about tables that are left out."""
    budget = _MAX_TABLES
    found, left = [], Counter[str]()
    for form in shown:
        if "reference" in form:
            reference = form.pop("reference")
            try:
                if reference.size > budget:
                    raise ValueError(f"the tables that were read before have {_MAX_TABLES // 10**6} MB")
                content = content_of(reference, form["e"], trees, _MAX_TABLE, "table")
                budget -= len(content)
                form |= _table(_parsed(content, reference.media_type)) | {"path": shorten(reference.path, 200)}
            except ValueError as error:
                left[str(error)] += 1
                continue
        found.append(form)
    return found, [f"Attached tables left out because {why}: {n}." for why, n in left.items()]


def _parsed(content: bytes, media_type: str | None) -> Json:
    """Return the columns and the rows of a table, as in an event.

    Raises:
        ValueError: If the content isn't a table.
    """
    try:
        text = content.decode("utf-8-sig")
        if media_type == _CSV_TYPE:
            columns, *rows = csv.reader(io.StringIO(text, newline=""))
            return {"columns": columns, "rows": rows}
        lines = [json.loads(line) for line in text.split("\n") if line]
        names = {name: None for line in lines for name in line}
        rows = [[line.get(name) for name in names] for line in lines]
        Table(names, rows[:0])
        return {"columns": list(names), "rows": rows}
    except (ValueError, TypeError, AttributeError, csv.Error, RecursionError):
        raise ValueError("the file isn't a table") from None


def _cell(cell: Any) -> float | str:
    if isinstance(cell, dict) and isinstance(text := cell.get("value", cell.get("path")), str) and "_mlv" in cell:
        return shorten(text, 200)
    return display(cell) if not isinstance(cell, str) else shorten(cell, 200)


def shown_forms(found: list[tuple[int, Json]], trees: list[Found]) -> tuple[list[Json], list[str]]:
    """Return the histograms and tables of the page, and notes about those that are left out.

    Args:
        found: All of them in the order of the log, each with the number of the experiment.
        trees: The experiments.
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
    notes = [f"{left} of {len(found)} histograms and tables are left out, evenly."] * (left > 0)
    shown, more = _read_tables(shown, trees)
    return shown, notes + more
