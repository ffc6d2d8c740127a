"""Tables of rows, and texts in SQL."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable
from typing import TYPE_CHECKING

from mlv_tools._columns import VIEWS
from mlv_tools._rows import Row

if TYPE_CHECKING:
    import duckdb

__all__ = ["fill", "no_pattern", "quoted", "read_rows", "table", "types_of", "write_rows"]

_LONGEST = 8 * 16 * 1024 * 1024  # bytes of a row: a record of 16 MiB that becomes all escapes


def fill(connection: duckdb.DuckDBPyConnection, view: str, rows: Iterable[Row]) -> None:
    """Make a view, and its table, of rows."""
    table(connection, "_" + view, types_of(view), rows)
    connection.execute(f"CREATE VIEW {view} AS FROM _{view}")


def table(connection: duckdb.DuckDBPyConnection, name: str, types: dict[str, str], rows: Iterable[Row]) -> None:
    """Make a table of rows, with these columns."""
    with tempfile.TemporaryDirectory(prefix="mlv-") as folder:
        connection.execute(f"CREATE TABLE {name} AS FROM {read_rows(write_rows(folder, rows), types)}")


def write_rows(folder: str, rows: Iterable[Row]) -> str:
    """Write rows into a file in *folder*, for `read_rows`; return its path."""
    path = os.path.join(folder, "rows.jsonl")
    with open(path, "w", encoding="ascii") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return path


def read_rows(path: str, types: dict[str, str]) -> str:
    """What gives the rows that were written to *path*."""
    columns = ", ".join(f"{quoted(name)}: {quoted(kind)}" for name, kind in types.items())
    return (
        f"read_json({quoted(no_pattern(path))}, format='newline_delimited', "
        f"maximum_object_size={_LONGEST}, columns={{{columns}}})"
    )


def types_of(view: str, *names: str) -> dict[str, str]:
    """The columns of a view with their types: all of them, or these."""
    return {name: kind for name, kind, _ in VIEWS[view] if not names or name in names}


def no_pattern(path: str) -> str:
    """*path* as a pattern that nothing else matches."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in path)


def quoted(text: str) -> str:
    """*text* as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"
