"""Tables in DuckDB from rows of Python, and texts in SQL."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable
from typing import TYPE_CHECKING

from mlv_tools._sql.rows import Row
from mlv_tools._sql.schema import VIEWS
from mlvlogger import MAX_RECORD

if TYPE_CHECKING:
    import duckdb

__all__ = ["fill", "no_pattern", "quoted", "read_rows", "table", "types_of", "write_rows"]

_MAX_ROW = 8 * MAX_RECORD  # bytes: a record that becomes all escapes


def fill(connection: duckdb.DuckDBPyConnection, view: str, rows: Iterable[Row]) -> None:
    """Create a view, and its table, from rows."""
    table(connection, "_" + view, types_of(view), rows)
    connection.execute(f"CREATE VIEW {view} AS FROM _{view}")


def table(connection: duckdb.DuckDBPyConnection, name: str, types: dict[str, str], rows: Iterable[Row]) -> None:
    """Create a table with these columns from rows."""
    with tempfile.TemporaryDirectory(prefix="mlv-") as folder:
        connection.execute(f"CREATE TABLE {name} AS FROM {read_rows(write_rows(folder, rows), types)}")


def write_rows(folder: str, rows: Iterable[Row]) -> str:
    """Write rows to a file in *folder* for `read_rows`, and return its path."""
    path = os.path.join(folder, "rows.jsonl")
    with open(path, "w", encoding="ascii") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return path


def read_rows(path: str, types: dict[str, str]) -> str:
    """Return the SQL expression for the rows that `write_rows` wrote to *path*."""
    columns = ", ".join(f"{quoted(name)}: {quoted(kind)}" for name, kind in types.items())
    return (
        f"read_json({quoted(no_pattern(path))}, format='newline_delimited', "
        f"maximum_object_size={_MAX_ROW}, columns={{{columns}}})"
    )


def types_of(view: str, *names: str) -> dict[str, str]:
    """Return the types of the columns of a view, by name: of all columns, or of *names*."""
    return {name: kind for name, kind, _ in VIEWS[view] if not names or name in names}


def no_pattern(path: str) -> str:
    """Return a glob pattern that only *path* matches."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in path)


def quoted(text: str) -> str:
    """Return *text* as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"
