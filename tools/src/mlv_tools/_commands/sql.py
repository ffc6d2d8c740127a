"""`mlv sql`: query experiments with SQL."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mlv_tools._commands._help import examples
from mlv_tools._commands._target import check_target
from mlv_tools._display.text import printable
from mlv_tools._exchange.table_files import (
    publish,
    warn_of_nanoseconds,
    write_csv,
    write_json,
    write_jsonl,
    write_parquet,
)
from mlv_tools._sql.schema import describe
from mlv_tools._sql.views import connect

__all__ = ["command"]

_WRITERS = {"csv": write_csv, "json": write_json, "jsonl": write_jsonl}
_FORMATS = ["table", *_WRITERS, "parquet"]


@click.command(
    "sql",
    epilog="The views are experiments, events, metrics and problems; DESCRIBE VIEW shows the columns of one.\n\n"
    + examples(
        "mlv sql runs \"SELECT experiment, min(value) FROM metrics WHERE event = 'val' AND name = 'loss' GROUP BY 1\"",
        "mlv sql runs \"SELECT experiment, params->'optimizer'->>'lr' AS lr FROM experiments\" --format csv",
        "mlv sql runs - -o runs.parquet < query.sql",
    ),
)
@click.argument("root", type=click.Path(exists=True, file_okay=False))
@click.argument("query")
@click.option("--format", "form", type=click.Choice(_FORMATS), help="Output format; by default a table.")
@click.option(
    "-o",
    "output",
    type=click.Path(dir_okay=False),
    help="New file to write; its suffix may give the format.",
)
def command(root: str, query: str, form: str | None, output: str | None) -> None:
    """Query all experiments under ROOT with SQL.

    QUERY is in the language of DuckDB; with `-` it is read from standard input. It may read files of yours, as DuckDB
    does; it opens no network connection by itself.
    """
    import duckdb

    form = form or _by_ending(output)
    if form == "parquet" and output is None:
        raise click.UsageError("Parquet is written to a file. Name the file with -o.")
    if output is not None:
        check_target(Path(output))
    if query == "-":
        query = sys.stdin.read()
    connection = connect(root)
    # A name in a query must not refer to a variable of this program.
    connection.execute("SET python_enable_replacements = false")
    with publish(output) if output is not None else nullcontext() as path:
        try:
            if form == "parquet":
                write_parquet(connection, str(path), query.rstrip().rstrip(";"))
                return
            connection.execute(query)
            rows = _rows(connection)
            names = [name for name, *_ in connection.description or []]
            kinds = [str(kind) for _, kind, *_ in connection.description or []]
            warn_of_nanoseconds(names, kinds)
            with nullcontext(sys.stdout) if path is None else open(path, "w", encoding="utf-8", newline="") as file:
                if form == "table":
                    _write_table(file, names, kinds, rows)
                else:
                    _WRITERS[form](file, names, kinds, rows)
        except duckdb.Error as error:
            raise _failed(error, str(error).replace(path, output) if path and output else str(error)) from None


def _by_ending(output: str | None) -> str:
    ending = os.path.splitext(output or "")[1][1:].lower()
    return ending if ending in _FORMATS else "table"


def _rows(connection: Any) -> Iterator[tuple[Any, ...]]:
    while rows := connection.fetchmany(10_000):
        yield from rows


def _write_table(file: Any, names: list[str], kinds: list[str], rows: Iterator[tuple[Any, ...]]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name, kind in zip(names, kinds, strict=True):
        is_number = kind in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE")
        table.add_column(Text(printable(name)), overflow="fold", justify="right" if is_number else "left")
    for row in rows:
        table.add_row(*(Text("NULL", style="dim") if value is None else Text(_cell(value)) for value in row))
    # If the output isn't a terminal, lines aren't folded: each line is a row.
    width = None if file.isatty() else 1_000_000
    Console(file=file, width=width, highlight=False, soft_wrap=width is not None).print(table)


def _cell(value: Any) -> str:
    if isinstance(value, (list, dict)):
        return printable(json.dumps(value, ensure_ascii=False, default=str))
    return printable(str(value))


def _failed(error: Exception, text: str) -> click.ClickException:
    import duckdb

    is_wrong = isinstance(error, (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException))
    message = "\n".join(map(printable, text.rstrip().split("\n")))
    return (_WrongQuery if is_wrong else click.ClickException)(
        f"the query failed. {message}\n\nThe views and their columns:\n{describe()}"
    )


class _WrongQuery(click.ClickException):
    exit_code = 2
