"""`mlv ls`: the experiments of a tree as a table."""

from __future__ import annotations

import csv
import json
import math
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from mlv_tools._commands._filter import Condition
from mlv_tools._commands._metric import Metric
from mlv_tools._display.terminal import output
from mlv_tools._display.text import ago, printable, sparkline, value
from mlv_tools._reading.summary import Summary, summary
from mlv_tools._reading.trees import find
from mlvlogger import MLVError

__all__ = ["command"]

_SHOWN = 4  # params, and metrics, that are shown by default
_WIDEST = 24  # characters of a cell
_STYLES = {"completed": "green", "failed": "red", "broken": "bold red", "unknown": "bold red", "open": "cyan"}
_FIXED = ("name", "kind", "state", "last")


def _read(text: str, kind: type[Condition] | type[Metric]) -> Any:
    try:
        return kind.of(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command(
    help="List all experiments under ROOT as a table. By default, ROOT is the current directory. A"
    " sub-experiment is below its parent."
)
@click.argument("root", default=".", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-p", "--params", metavar="NAME[,NAME…]", help="Parameters to show; by default those that differ.")
@click.option(
    "-m",
    "--metric",
    "metrics",
    metavar="[EVENT.]NAME[:HOW]",
    multiple=True,
    help="Metric to show, with its curve: the last value, or :min, :max, :first, :mean. Reads whole logs. By default,"
    " the last values near the end of each log are shown.",
)
@click.option(
    "-w",
    "--where",
    metavar="CONDITION",
    multiple=True,
    help="Show only rows with COLUMN = VALUE; also != < > ~.",
)
@click.option("-s", "--sort", metavar="COLUMN", help="Sort by a column; rows without a value come last.")
@click.option("-r", "--reverse", is_flag=True, help="Reverse the order.")
@click.option("-n", "--limit", metavar="N", type=click.IntRange(min=1), help="Show the first N rows.")
@click.option("--format", "format_", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True)
def command(
    root: Path,
    params: str | None,
    metrics: tuple[str, ...],
    where: tuple[str, ...],
    sort: str | None,
    reverse: bool,
    limit: int | None,
    format_: str,
) -> None:
    """Run the command; see its help."""
    conditions = [_read(text, Condition) for text in where]
    wanted = [_read(text, Metric) for text in metrics]
    rows = [_Row(summary(found), wanted) for found in find(root)]
    named = [_column(name) for name in (params.split(",") if params else _differing(rows))]
    columns = _columns(rows, named, wanted)
    names = [*_FIXED, *columns]
    for asked in [*(one.column for one in conditions), *([sort] if sort else [])]:
        if rows and not any(asked in row.cells for row in rows):
            raise click.BadParameter(
                f"there is no column {asked!r}. Choose one of: {', '.join(names)}, or a parameter."
            )
    shown = [row for row in rows if all(condition.holds(row.cells) for condition in conditions)]
    if sort:
        shown = _sorted(shown, sort, reverse)
    elif reverse:
        shown.reverse()
    shown = shown[:limit]
    if format_ == "table":
        _print(root, shown, columns, wanted, is_tree=not sort and not conditions and not reverse)
    else:
        _export(shown, names, format_)


class _Row:
    """A row: its cells by column, and the curves that only the table shows."""

    def __init__(self, one: Summary, metrics: list[Metric]) -> None:
        self.summary = one
        experiment = one.found.experiment
        self.cells: dict[str, Any] = {
            "name": one.found.name,
            "kind": experiment.kind if experiment else None,
            "state": one.state,
            "last": one.last,
            "tags": experiment.tags if experiment else [],
        }
        for name, item in one.params.items():
            self.cells.setdefault(name, item)
            self.cells[f"params.{name}"] = item
        self.curves: dict[str, str] = {}
        for (event, name), item in one.metrics.items():
            self.cells.setdefault(f"{event}.{name}", item)
        for metric in metrics:
            values = _values(one, metric)
            self.cells[str(metric)] = metric.pick(values)
            self.curves[str(metric)] = sparkline(values)


def _values(one: Summary, metric: Metric) -> Any:
    try:
        return metric.values(one.found.experiment) if one.found.experiment else []
    except (MLVError, OSError):
        return []  # the state of the row is unknown or broken


def _differing(rows: list[_Row]) -> list[str]:
    """Return the params that differ between experiments of a kind, the most frequent first."""
    kinds: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if experiment := row.summary.found.experiment:
            kinds.setdefault(experiment.kind, []).append(experiment.params)
    counts = Counter(name for known in kinds.values() for params in known for name in params)
    differ = [
        name
        for name, _ in counts.most_common()
        if any(len({value(one[name]) if name in one else None for one in known}) > 1 for known in kinds.values())
    ]
    is_one = sum(map(len, kinds.values())) == 1
    return (list(counts) if is_one else differ)[:_SHOWN]


def _column(param: str) -> str:
    """Return the column of a parameter: its name, unless another column has this name."""
    return f"params.{param}" if param in (*_FIXED, "tags") else param


def _columns(rows: list[_Row], params: list[str], metrics: list[Metric]) -> list[str]:
    if metrics:
        return [*params, *map(str, metrics)]
    counts = Counter(f"{event}.{name}" for row in rows for event, name in row.summary.metrics)
    return [*params, *(name for name, _ in counts.most_common(_SHOWN))]


def _sorted(rows: list[_Row], column: str, reverse: bool) -> list[_Row]:
    def key(row: _Row) -> Any:
        item = row.cells[column]
        if isinstance(item, datetime):
            item = item.timestamp()
        return (0, item, "") if isinstance(item, (int, float)) else (1, 0, str(item))

    present = [row for row in rows if row.cells.get(column) is not None]
    return sorted(present, key=key, reverse=reverse) + [row for row in rows if row.cells.get(column) is None]


def _print(root: Path, rows: list[_Row], columns: list[str], metrics: list[Metric], is_tree: bool) -> None:
    console = output()
    if not rows:
        console.print(Text(f"no experiments in {printable(str(root))}"))
        return
    curves = set(map(str, metrics))
    head = [Text(name) for name in ("name", "kind", "state", "last event")]
    for name in columns:
        head += [Text(printable(name)), *([Text("")] if name in curves else [])]
    lines = [list(_cells(row, columns, curves, is_tree)) for row in rows]
    count = _fitting(head, lines, console.width)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, title in enumerate(head[:count]):
        table.add_column(title, justify="left" if place < 4 or not title.plain else "right", no_wrap=True)
    for line in lines:
        table.add_row(*line[:count])
    console.print(table)
    if left := [title.plain for title in head[count:] if title.plain]:
        console.print(Text(f"not shown because the terminal is too narrow: {', '.join(left)}", style="dim"))
    for row in rows:
        if row.summary.trouble:
            console.print(
                Text(f"{printable(row.summary.found.name)}: {printable(row.summary.trouble)}", style="yellow")
            )


def _fitting(head: list[Text], lines: list[list[Text]], width: int) -> int:
    """Return the number of columns that fit; at least the first four are shown."""
    used = 0
    for place, cells in enumerate(zip(head, *lines, strict=True)):
        used += max(cell.cell_len for cell in cells) + 2
        if used > width + 2 and place >= 4:
            return place
    return len(head)


def _cells(row: _Row, columns: list[str], curves: set[str], is_tree: bool) -> Iterator[Text]:
    one = row.summary
    indent = "  " * one.found.depth if is_tree else ""
    yield Text(indent + printable(one.found.name if not indent else one.found.path.name))
    yield Text(printable(row.cells["kind"] or ""))
    yield Text(printable(one.state), style=_STYLES.get(one.state, "yellow"))
    yield Text(ago(one.last))
    for name in columns:
        item = row.cells.get(name)
        text = "" if item is None and name.removeprefix("params.") not in one.params else value(item)
        yield Text(text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…")
        if name in curves:
            yield Text(row.curves[name])


def _export(rows: list[_Row], names: list[str], format_: str) -> None:
    """Print the rows for other programs. Control characters and bytes that aren't UTF-8 are escaped."""
    found = [{**{name: row.cells.get(name) for name in names}, "trouble": row.summary.trouble} for row in rows]
    if format_ == "json":
        click.echo(json.dumps(_json(found), indent=1))
        return
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(map(printable, [*names, "trouble"]))
    writer.writerows([_csv(item) for item in cells.values()] for cells in found)


def _json(item: Any) -> Any:
    """Return a cell for JSON. Values that JSON doesn't have, such as NaN and times, become strings."""
    if isinstance(item, dict):
        return {name: _json(one) for name, one in item.items()}
    if isinstance(item, list):
        return [_json(one) for one in item]
    if isinstance(item, datetime):
        return item.isoformat()
    if item is None or isinstance(item, (bool, int, str)) or (isinstance(item, float) and math.isfinite(item)):
        return item
    return str(item) if isinstance(item, float) else value(item)


def _csv(item: Any) -> Any:
    """Return a cell for CSV: a number with all its digits, a missing value as an empty field."""
    if item is None or isinstance(item, (int, float)):
        return item if not isinstance(item, bool) else value(item)
    return item.isoformat() if isinstance(item, datetime) else value(item)
