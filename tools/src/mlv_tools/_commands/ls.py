"""`mlv ls`: the experiments of a tree as a table."""

from __future__ import annotations

import contextlib
import csv
import json
import math
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import compress
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.table import Table
from rich.text import Text

from mlv_tools._commands._columns import LAST_EVENT, TEXT, Columns
from mlv_tools._commands._filter import Condition, Incomparable, as_number, parts, sort_key
from mlv_tools._commands._help import examples
from mlv_tools._commands._metric import Metric, find_metric
from mlv_tools._commands._names import AmbiguousName, UnknownName
from mlv_tools._display.names import differing, flatten, listed, metric_label
from mlv_tools._display.terminal import output
from mlv_tools._display.text import ago, printable, sparkline, value
from mlv_tools._reading.summary import Summary, summary
from mlv_tools._reading.trees import details, find, links_outside
from mlvlogger import MetricDefinitions, MLVError, unfollowed_links

__all__ = ["command"]

T = TypeVar("T")

_SHOWN = 4  # params, and metrics, that are shown by default
_WIDEST = 24  # characters of a cell on a terminal
_STYLES = {"completed": "green", "failed": "red", "broken": "bold red", "unknown": "bold red", "open": "cyan"}
_UNREADABLE = ("broken", "unknown")  # states of experiments that can't be read, or not as a whole
# What is left out first if the terminal is too narrow: the largest number, and of those the last column.
_NAME, _ASKED, _STATE, _CURVE, _FACT, _DEFAULT = range(6)
_EXPORTED = ("name", "kind", "state", "last")


@click.command(
    help="List all experiments under ROOT as a table. By default, ROOT is the current directory. A"
    " sub-experiment is below its parent.",
    epilog=examples(
        "mlv ls runs",
        "mlv ls runs -p optimizer.lr,seed -m train.loss:min -s train.loss:min",
        "mlv ls runs -w 'state = completed' -w 'optimizer.lr > 0.001'",
        "mlv ls runs -w 'name ~ bert-*' -m val.accuracy:max --format csv",
        "mlv ls runs -s val.loss:best -n 5",
    ),
)
@click.argument("root", default=".", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "-p",
    "--params",
    metavar="NAME[,NAME…]",
    multiple=True,
    help="Parameters to show; by default those that differ. A nested parameter is GROUP.NAME; GROUP is all in it.",
)
@click.option(
    "-m",
    "--metric",
    "metrics",
    metavar="[EVENT.]NAME[:HOW]",
    multiple=True,
    help="Metric to show, with its curve: the last value, or :min, :max, :first, :mean, and :best if the experiment"
    " defines a direction. Reads whole logs. By default, the last values near the end of each log are shown.",
)
@click.option(
    "-w",
    "--where",
    metavar="CONDITION",
    multiple=True,
    help="Show only rows with COLUMN = VALUE; also != < <= > >=, and ~ for a pattern of the whole value. A warning"
    " counts rows without a value. Reads whole logs if COLUMN is a metric.",
)
@click.option(
    "-s",
    "--sort",
    metavar="COLUMN",
    help="Sort by a column; rows without a value come last, and of METRIC:best the best come first. Reads whole logs"
    " if COLUMN is a metric.",
)
@click.option("-r", "--reverse", is_flag=True, help="Reverse the order.")
@click.option("-n", "--limit", metavar="N", type=click.IntRange(min=1), help="Show the first N rows.")
@click.option("--format", "format_", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True)
def command(
    root: Path,
    params: tuple[str, ...],
    metrics: tuple[str, ...],
    where: tuple[str, ...],
    sort: str | None,
    reverse: bool,
    limit: int | None,
    format_: str,
) -> None:
    """Run the command; see its help."""
    conditions = [(text, _named("-w", parts, text)) for text in where]
    rows = [_Row(summary(found)) for found in find(root)]
    if not rows:
        metrics, params, conditions, sort = (), (), [], None  # no name can be right or wrong
    names = dict.fromkeys(name for row in rows for name in row.params)
    columns = Columns(names)
    readings = [[name for name, _, _ in found] for _, found in conditions] + ([] if sort is None else [[sort]])
    if metrics or not all(any(map(columns.is_own, each)) for each in readings):
        columns = Columns(names, dict.fromkeys(name for row in rows for name in row.metric_names))
    asked = [column for text in params for column in _named("-p", columns.params, text)]
    wanted = [_named("-m", _column, rows, [text], columns.metric, text) for text in metrics]
    filters = [
        (text, *_named("-w", _column, rows, [name for name, _, _ in found], columns.condition, text, found))
        for text, found in conditions
    ]
    sorted_by = None if sort is None else _named("-s", _column, rows, [sort], columns.find, sort)
    for row in rows:
        row.read(columns.named)
    _report_other_streams(rows, columns)
    _report_no_direction(rows, columns)
    held = [_matches(rows, *each) for each in filters]
    _report_missing(rows, filters, held, columns)
    shown = [row for row, *holds in zip(rows, *held, strict=True) if all(holds)]
    if sorted_by:
        shown = _sorted(shown, sorted_by, reverse != _is_greatest_first(shown, sorted_by, columns))
    elif reverse:
        shown.reverse()
    _report_hidden_trouble(rows, shown)
    if rows and not shown:
        click.echo(_no_match(len(rows), filters), err=format_ != "table")
    if (format_ != "table" or (rows and not shown)) and (message := links_outside(root)):
        click.echo(f"mlv: warning: {printable(message)}", err=True)
    found_params, found_metrics = _param_columns(rows), _metric_columns(rows)
    chosen = [*(asked or found_params[:_SHOWN]), *(wanted or found_metrics[:_SHOWN])]
    chosen = list(dict.fromkeys(chosen))
    if format_ != "table":
        _export(shown[:limit], [*_EXPORTED, *chosen], columns, format_)
    elif not rows:
        links = len(unfollowed_links(root, outside=True))
        suffix = f"; {links} symbolic links to directories aren't followed" if links else ""
        output().print(Text(f"no experiments in {printable(str(root))}{suffix}"))
    elif shown:
        more = [
            (len(unfollowed_links(root, outside=True)), "symbolic links to other directories"),
            (0 if asked else len(found_params[_SHOWN:]), "parameters that differ (-p)"),
            (0 if wanted else len(found_metrics[_SHOWN:]), "metrics (-m)"),
        ]
        is_tree = sort is None and not conditions and not reverse
        _print(_table(shown[:limit], columns, chosen, {*asked, *wanted}, is_tree), shown[:limit], more)


def _column(rows: list[_Row], names: list[str], read: Callable[..., T], *arguments: Any) -> T:
    """Return what *read* finds. If there is no column, the error names the streams that have a metric of this name."""
    try:
        return read(*arguments)
    except UnknownName as error:
        for name in names:
            known = name.removeprefix("metrics.")
            if streams := {stream for row in rows for stream, found in row.other_metrics.items() if _has(found, known)}:
                raise UnknownName(
                    f"{name!r} is a metric of {', '.join(sorted(streams))}, and mlv ls shows only those of log.jsonl. "
                    "Run: mlv plot, or mlv sql."
                ) from error
        raise


def _report_other_streams(rows: list[_Row], columns: Columns) -> None:
    """Report the experiments that have a metric which was named only in streams that aren't shown."""
    metrics = dict.fromkeys((metric.event, metric.name) for metric in columns.named.values())
    found = [
        f"{metric_label(*metric)} of {row.cells['name']} ({stream})"
        for metric in metrics
        for row in rows
        if metric not in row.metric_names
        for stream, known in row.other_metrics.items()
        if metric in known
    ]
    if found:
        message = (
            f"metrics of other streams than log.jsonl aren't shown, sorted or compared: {listed(found)}. "
            "Run: mlv plot, or mlv sql."
        )
        click.echo(f"mlv: warning: {printable(message)}", err=True)


def _report_no_direction(rows: list[_Row], columns: Columns) -> None:
    """Report the experiments that have a metric, but no direction of it, so that its best value isn't known.

    If none has a direction, the usage is wrong.
    """
    for column in columns.named:
        having = [row for row in rows if column in row.directions]
        without = [row for row in having if row.directions[column] is None]
        series = columns.title(column).removesuffix(":best")
        if without == having and without:
            raise click.UsageError(
                printable(f"no experiment defines a direction of {series}. Choose {series}:min or {series}:max.")
            )
        if without:
            message = (
                f"{len(without)} of {len(rows)} experiments define no direction of {series}, such as "
                f"{without[0].cells['name']}, so they have no best value. Choose {series}:min or {series}:max."
            )
            click.echo(f"mlv: warning: {printable(message)}", err=True)


def _has(known: list[tuple[str, str]], text: str) -> bool:
    try:
        find_metric(text, known)
    except AmbiguousName:
        return True
    except UnknownName:
        return False
    return True


def _named(option: str, read: Callable[..., T], *arguments: Any) -> T:
    """Return what the text of an option means; if it means nothing, the usage is wrong."""
    try:
        return read(*arguments)
    except ValueError as error:
        raise click.BadParameter(printable(str(error)), param_hint=option) from None


class _Row:
    """A row: its cells by the full names of their columns, and the curves that only the table shows."""

    def __init__(self, one: Summary) -> None:
        self.summary = one
        experiment = one.found.experiment
        self.params = dict(flatten(one.params))
        self.cells: dict[str, Any] = {
            "name": one.found.name,
            "kind": experiment.kind if experiment else None,
            "state": one.state,
            "last": one.last,
            "tags": experiment.tags if experiment else [],
            "trouble": one.trouble,
        }
        self.cells |= {f"params.{name}": item for name, item in self.params.items()}
        self.cells |= {f"metrics.{Metric(*names)}": item for names, item in one.metrics.items()}
        self.curves: dict[str, str] = {}
        self.directions: dict[str, str | None] = {}  # that the experiment defines, of columns with best values
        self.units: dict[str, str | None] = {}  # that the experiment defines, of columns of metrics that it has

    @cached_property
    def metric_names(self) -> list[tuple[str, str]]:
        """The metrics in the default stream; none if the stream cannot be read, which the state shows."""
        try:
            return self.summary.found.experiment.metric_names() if self.summary.found.experiment else []
        except (MLVError, OSError):
            return []

    @cached_property
    def other_metrics(self) -> dict[str, list[tuple[str, str]]]:
        """The metrics in each further stream that can be read."""
        experiment, found = self.summary.found.experiment, {}
        for stream in experiment.streams if experiment else ():
            if experiment and stream != experiment.default_stream:
                with contextlib.suppress(MLVError, OSError):
                    found[stream] = experiment.metric_names(stream=stream)
        return found

    def read(self, metrics: dict[str, Metric]) -> None:
        """Read the metrics of these columns from the whole log."""
        for column, metric in metrics.items():
            experiment = self.summary.found.experiment
            is_known = (metric.event, metric.name) in self.metric_names
            values = metric.values(experiment) if experiment and is_known else []
            if experiment and is_known:
                definition = self._definitions.of(metric.event, metric.name) if self._definitions else None
                self.units[column] = definition.unit if definition else None
                if metric.how == "best":
                    self.directions[column] = definition.direction if definition else None
            self.cells.pop(column, None)
            if (picked := metric.pick(values, self.directions.get(column))) is not None:
                self.cells[column] = picked
            self.curves[column] = sparkline(values)
        self.cells["trouble"] = "; ".join(filter(None, (self.summary.trouble, self._left_out())))

    @cached_property
    def _definitions(self) -> MetricDefinitions | None:
        experiment = self.summary.found.experiment
        return experiment.metric_definitions() if experiment else None

    def _left_out(self) -> str:
        """Return which lines were left out: of the whole log if it was read as a whole, otherwise of its end."""
        experiment = self.summary.found.experiment
        lines = [problem for problem in experiment.problems if problem.line] if experiment else []
        if not experiment or experiment.default_stream not in {problem.path for problem in lines}:
            return self.summary.garbled
        more = f", and {len(lines) - 1} more lines" if len(lines) > 1 else ""
        return f"{lines[0].path}:{lines[0].line} was left out{more}: {lines[0].message} {details(experiment.path)}"


def _matches(rows: list[_Row], text: str, column: str, condition: Condition) -> list[bool]:
    """Return whether a condition holds for each row. Values that can't be compared are reported."""
    held, reasons, compared = [], [], 0
    for row in rows:
        found = row.cells.get(column)
        try:
            holds = condition.holds(found) if column in row.cells else condition.operator == "!="
            compared += found is not None
        except Incomparable as error:
            holds = False
            reasons.append(str(error))
        held.append(holds)
    if reasons and not compared:
        raise click.BadParameter(printable(f"{text!r} can't be compared: {reasons[0]}"), param_hint="-w")
    if reasons:
        message = f"{len(reasons)} of {len(rows)} experiments are left out by {text!r}: {reasons[0]}"
        click.echo(f"mlv: warning: {printable(message)}", err=True)
    return held


def _is_missing(row: _Row, column: str, *, also_nan: bool) -> bool:
    item = row.cells.get(column)
    return item is None or (also_nan and as_number(item) != as_number(item))


def _report_missing(
    rows: list[_Row], filters: list[tuple[str, str, Condition]], held: list[list[bool]], columns: Columns
) -> None:
    """Report the rows that a condition leaves out because they have no value, unless another one leaves them out."""
    without = [
        [
            not holds and not condition.is_null and _is_missing(row, column, also_nan=condition.is_order)
            for row, holds in zip(rows, each, strict=True)
        ]
        for (_, column, condition), each in zip(filters, held, strict=True)
    ]
    for (text, column, _), missing in zip(filters, without, strict=True):
        left_out = [
            row
            for number, row in enumerate(rows)
            if missing[number] and all(h[number] or m[number] for h, m in zip(held, without, strict=True))
        ]
        if left_out:
            kinds = {
                "broken or unknown": sum(row.cells["state"] in _UNREADABLE for row in left_out),
                "NaN": sum(row.cells.get(column) is not None for row in left_out),
                "null": sum(
                    column in row.cells and row.cells[column] is None and row.cells["state"] not in _UNREADABLE
                    for row in left_out
                ),
            }
            counts = ", ".join(f"{count} {kind}" for kind, count in kinds.items() if count)
            message = (
                f"{len(left_out)} of {len(rows)} experiments have no value for {columns.title(column)}"
                f"{f' ({counts})' if counts else ''} and are left out by {text!r}"
            )
            click.echo(f"mlv: warning: {printable(message)}", err=True)


def _report_hidden_trouble(rows: list[_Row], shown: list[_Row]) -> None:
    """Report the rows that are left out although a part of the experiment, which the condition may mean, isn't read."""
    hidden = [row for row in rows if row not in shown and row.cells["trouble"] and row.summary.state not in _UNREADABLE]
    if hidden:
        first = hidden[0].cells
        message = (
            f"{len(hidden)} of {len(rows)} experiments are left out although they aren't read as a whole, such as "
            f"{first['name']}: {first['trouble']}"
        )
        click.echo(f"mlv: warning: {printable(message)}", err=True)


def _no_match(count: int, filters: list[tuple[str, str, Condition]]) -> str:
    """Return the message that no row is shown."""
    text = f"0 of {count} experiments match {' and '.join(repr(text) for text, _, _ in filters)}."
    for _, _, condition in filters:
        if condition.operator == "~" and not {"*", "?", "["} & set(condition.text):
            text += f" A pattern is compared with the whole value. To find a part of it, write ~ *{condition.text}*."
    return printable(text)


def _param_columns(rows: list[_Row]) -> list[str]:
    """Return the columns of the params that differ between experiments of a kind, the most frequent first."""
    kinds: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if experiment := row.summary.found.experiment:
            kinds.setdefault(experiment.kind, []).append(row.params)
    counts = Counter(name for known in kinds.values() for params in known for name in params)
    is_one = sum(map(len, kinds.values())) == 1
    differ = counts if is_one else {name for known in kinds.values() for name in differing(known)}
    return [f"params.{name}" for name, _ in counts.most_common() if name in differ]


def _metric_columns(rows: list[_Row]) -> list[str]:
    """Return the columns of the metrics near the ends of the logs, the most frequent first."""
    counts = Counter(names for row in rows for names in row.summary.metrics)
    return [f"metrics.{Metric(*names)}" for names, _ in counts.most_common()]


def _sorted(rows: list[_Row], column: str, reverse: bool) -> list[_Row]:
    """Return the rows in the order of `sort_key`; NaN and missing values at the end."""
    missing = [_is_missing(row, column, also_nan=True) for row in rows]
    known = [row for row, is_missing in zip(rows, missing, strict=True) if not is_missing]
    return sorted(known, key=lambda row: sort_key(row.cells[column], column in TEXT), reverse=reverse) + list(
        compress(rows, missing)
    )


def _is_greatest_first(rows: list[_Row], column: str, columns: Columns) -> bool:
    """Return whether the best values of a column are the greatest ones; other columns begin with the least value."""
    known = {row.directions[column] for row in rows if row.directions.get(column)}
    if len(known) > 1:
        series = columns.title(column).removesuffix(":best")
        raise click.BadParameter(
            printable(f"the experiments define different directions of {series}. Choose {series}:min or {series}:max."),
            param_hint="-s",
        )
    return known == {"maximize"}


@dataclass(eq=False)
class _TableColumn:
    """A column of the table.

    Attributes:
        title: Its title; empty for a curve.
        cells: Its cells, one for each row.
        rank: When it is left out: `_NAME` never, `_DEFAULT` first.
    """

    title: Text
    cells: list[Text]
    rank: int

    @property
    def width(self) -> int:
        """The number of characters, with those between two columns."""
        return max(cell.cell_len for cell in (self.title, *self.cells)) + 2


def _table(rows: list[_Row], columns: Columns, chosen: list[str], asked: set[str], is_tree: bool) -> list[_TableColumn]:
    names = []
    for row in rows:
        found = row.summary.found
        indent = "  " * found.depth if is_tree else ""
        names.append(Text(indent + printable(found.path.name if indent else found.name)))
    states = [
        Text(printable(", ".join(filter(None, (one.state, one.writer)))), style=_STYLES.get(one.state, "yellow"))
        for one in (row.summary for row in rows)
    ]
    is_cut = output().is_terminal
    table = [
        _TableColumn(Text("name"), names, _NAME),
        _TableColumn(Text("kind"), [Text(printable(row.cells["kind"] or "")) for row in rows], _FACT),
        _TableColumn(Text("state"), states, _STATE),
        _TableColumn(Text(LAST_EVENT), [Text(ago(row.summary.last)) for row in rows], _FACT),
    ]
    for column in chosen:
        rank = _ASKED if column in asked else _DEFAULT
        cells = [_cell(row, column, is_cut) for row in rows]
        table.append(_TableColumn(Text(printable(columns.title(column) + _unit(rows, column))), cells, rank))
        if column in columns.named and column in asked:
            table.append(_TableColumn(Text(""), [Text(row.curves[column]) for row in rows], _CURVE))
    return table


def _unit(rows: list[_Row], column: str) -> str:
    """Return the unit for the title of a column, if all experiments that have the metric define the same one."""
    units = {row.units[column] for row in rows if column in row.units}
    unit = units.pop() if len(units) == 1 else None
    return f" ({unit})" if unit else ""


def _cell(row: _Row, column: str, is_cut: bool) -> Text:
    item = row.cells.get(column)
    text = value(item) if column in row.cells else ""
    return Text(text if len(text) <= _WIDEST or not is_cut else text[: _WIDEST - 1] + "…")


def _print(columns: list[_TableColumn], rows: list[_Row], more: list[tuple[int, str]]) -> None:
    console = output()
    shown = list(columns)
    while sum(column.width for column in shown) > console.width + 2 and len(shown) > 1:
        rank = max(column.rank for column in shown)
        del shown[max(place for place, column in enumerate(shown) if column.rank == rank)]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in shown:
        is_left = column.rank in (_NAME, _STATE, _FACT, _CURVE)
        table.add_column(column.title, justify="left" if is_left else "right", no_wrap=True)
    for line in zip(*(column.cells for column in shown), strict=True):
        table.add_row(*line)
    console.print(table)
    if titles := [column.title.plain for column in columns if column not in shown and column.title.plain]:
        console.print(Text(f"not shown because the terminal is too narrow: {', '.join(titles)}", style="dim"))
    if others := [f"{count} {what}" for count, what in more if count]:
        console.print(Text(f"not shown: {', '.join(others)}", style="dim"))
    for row in rows:
        if row.cells["trouble"]:
            console.print(
                Text(f"{printable(row.summary.found.name)}: {printable(row.cells['trouble'])}", style="yellow")
            )


def _export(rows: list[_Row], chosen: list[str], columns: Columns, format_: str) -> None:
    """Print the rows for other programs. Control characters and bytes that aren't UTF-8 are escaped."""
    names = {column: columns.title(column) for column in (*chosen, "trouble")}
    found = [{name: row.cells.get(column) for column, name in names.items()} for row in rows]
    if format_ == "json":
        click.echo(json.dumps(_json(found), indent=1))
        return
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(map(printable, names.values()))
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
