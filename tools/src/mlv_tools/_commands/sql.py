"""`mlv sql`: ask experiments with SQL."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import click

from mlv_tools._columns import describe
from mlv_tools._export import publish, write_csv, write_json, write_jsonl

__all__ = ["command"]

_WRITERS = {"csv": write_csv, "json": write_json, "jsonl": write_jsonl}
_FORMATS = ["table", *_WRITERS, "parquet"]


@click.command(
    "sql",
    epilog="The views are experiments, events, metrics and problems; DESCRIBE VIEW shows the columns of one.",
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

    Example: mlv sql runs "SELECT experiment, min(value) FROM metrics WHERE name = 'loss' GROUP BY ALL"
    """
    import duckdb

    from mlv_tools._views import connect

    form = form or _by_ending(output)
    if form == "parquet" and output is None:
        raise click.UsageError("Parquet goes into a file. Name one with -o.")
    if query == "-":
        query = sys.stdin.read()
    connection = connect(root)
    connection.execute("SET python_enable_replacements = false")  # a name in a query isn't a variable of this program
    with publish(output) if output is not None else nullcontext() as path:
        try:
            if form == "parquet":
                quoted = str(path).replace("'", "''")
                connection.execute(f"COPY ({query.rstrip().rstrip(';')}) TO '{quoted}' (FORMAT parquet)")
                return
            connection.execute(query)
            rows = _rows(connection)
            names = [name for name, *_ in connection.description or []]
            kinds = [str(kind) for _, kind, *_ in connection.description or []]
            with nullcontext(sys.stdout) if path is None else open(path, "w", encoding="utf-8", newline="") as file:
                if form == "table":
                    _write_table(file, names, kinds, rows)
                else:
                    _WRITERS[form](file, names, kinds, rows)
        except duckdb.Error as error:
            raise _failed(error) from None


def _by_ending(output: str | None) -> str:
    ending = os.path.splitext(output or "")[1][1:].lower()
    return ending if ending in _FORMATS else "table"


def _rows(connection: Any) -> Iterator[tuple[Any, ...]]:
    while rows := connection.fetchmany(10_000):
        yield from rows


def _write_table(file: Any, names: list[str], kinds: list[str], rows: Iterator[tuple[Any, ...]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name, kind in zip(names, kinds, strict=True):
        is_number = kind in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE")
        table.add_column(Text(_printable(name)), overflow="fold", justify="right" if is_number else "left")
    for row in rows:
        table.add_row(*(Text("NULL", style="dim") if value is None else Text(_cell(value)) for value in row))
    # Without a terminal, nothing is folded: a line is a row.
    width = None if file.isatty() else 1_000_000
    Console(file=file, width=width, highlight=False, soft_wrap=width is not None).print(table)


def _cell(value: Any) -> str:
    if isinstance(value, (list, dict)):
        return _printable(json.dumps(value, ensure_ascii=False, default=str))
    return _printable(str(value))


def _printable(text: str) -> str:
    """*text* without what a terminal would obey: control characters and the like are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _failed(error: Exception) -> click.ClickException:
    import duckdb

    is_wrong = isinstance(error, (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException))
    message = "\n".join(map(_printable, str(error).rstrip().split("\n")))
    return (_WrongQuery if is_wrong else click.ClickException)(
        f"the query failed. {message}\n\nThe views and their columns:\n{describe()}"
    )


class _WrongQuery(click.ClickException):
    exit_code = 2
