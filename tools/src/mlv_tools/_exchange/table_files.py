"""Export of query results and views to files. A file appears only when it is complete."""

from __future__ import annotations

import csv
import json
import math
import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, time
from decimal import Decimal
from typing import IO, TYPE_CHECKING, Any

from mlv_tools._sql.tables import no_pattern, quoted

if TYPE_CHECKING:
    import duckdb

__all__ = [
    "export",
    "naming",
    "publish",
    "replace",
    "warn_of_nanoseconds",
    "write_csv",
    "write_json",
    "write_jsonl",
    "write_parquet",
]

_ORDERS = {
    "experiments": "experiment",
    "events": "experiment, stream, seq",
    "metrics": "experiment, stream, seq, name",
    "definitions": "experiment, stream, event, name",
    "best": "experiment, stream, event, name",
}
_OPTIONS = {
    "parquet": "FORMAT parquet, COMPRESSION zstd",
    "csv": "FORMAT csv, HEADER, TIMESTAMPFORMAT '%Y-%m-%dT%H:%M:%S.%fZ'",
}

# The types, also in lists and structs, of which DuckDB writes values to Parquet that may be others.
_INEXACT = re.compile("HUGEINT|INTERVAL|TIME WITH TIME ZONE")


def export(connection: duckdb.DuckDBPyConnection, directory: str, form: str) -> dict[str, int]:
    """Write the views to a directory, with one file for each view but `problems`.

    Args:
        connection: A connection that `connect` returned.
        directory: A new or empty directory, in a directory that exists.
        form: "parquet" or "csv". CSV has no lists, so that a list is written as JSON, and no types, so
            that a time ends with Z for UTC.

    Returns:
        The number of rows of each view.

    Raises:
        FileExistsError: If *directory* exists and isn't empty.
        OSError: If the system refuses.
    """
    if os.path.lexists(directory) and not (os.path.isdir(directory) and not os.listdir(directory)):
        raise FileExistsError(f"{directory!r} already exists, and nothing is overwritten. Choose another name.")
    import duckdb

    target = os.path.abspath(directory)
    with naming(directory):
        folder = tempfile.mkdtemp(prefix=".mlv-", dir=os.path.dirname(target))
    try:
        rows = {}
        for view, order in _ORDERS.items():
            path = os.path.join(folder, f"{view}.{form}").replace("'", "''")
            lists = "* REPLACE (to_json(tags) AS tags, to_json(descriptions) AS descriptions)"
            selected = lists if form == "csv" and view == "experiments" else "*"
            connection.execute(f"COPY (SELECT {selected} FROM {view} ORDER BY {order}) TO '{path}' ({_OPTIONS[form]})")
            counted = connection.execute(f"SELECT count(*) FROM {view}").fetchone()
            rows[view] = counted[0] if counted else 0
        os.chmod(folder, 0o777 & ~_umask())  # mkdtemp gives access to the owner only
        with naming(directory):
            os.rename(folder, target)
    except duckdb.IOException as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise OSError(str(error).replace(folder, directory)) from None
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return rows


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Name *path*, which the user gave, in each error of the system, instead of a temporary file."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, path) from error


@contextmanager
def publish(path: str) -> Iterator[str]:
    """Yield a path to write to; the file gets the name *path* when the block ends without an exception.

    Raises:
        FileExistsError: If *path* exists.
    """
    if os.path.lexists(path):
        raise FileExistsError(f"{path!r} already exists, and nothing is overwritten. Choose another name.")
    with replace(path) as written:
        yield written


@contextmanager
def replace(path: str) -> Iterator[str]:
    """Yield a path to write to; the file replaces *path* when the block ends without an exception."""
    with (
        naming(path),
        tempfile.TemporaryDirectory(prefix=".mlv-", dir=os.path.dirname(os.path.abspath(path))) as folder,
    ):
        written = os.path.join(folder, os.path.basename(path))
        yield written
        os.replace(written, path)


def write_csv(file: IO[str], names: list[str], kinds: list[str], rows: Iterable[tuple[Any, ...]]) -> None:
    """Write rows as CSV with a header. NULL is an empty field."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow([_text(value) for value in row])


def write_json(file: IO[str], names: list[str], kinds: list[str], rows: Iterable[tuple[Any, ...]]) -> None:
    """Write rows as one array of objects."""
    before = "["
    names = _distinct(names)
    for row in rows:
        file.write(before + "\n" + _object(names, kinds, row))
        before = ","
    file.write("[]\n" if before == "[" else "\n]\n")


def write_jsonl(file: IO[str], names: list[str], kinds: list[str], rows: Iterable[tuple[Any, ...]]) -> None:
    """Write rows as objects, one per line."""
    names = _distinct(names)
    for row in rows:
        file.write(_object(names, kinds, row) + "\n")


def write_parquet(connection: duckdb.DuckDBPyConnection, path: str, query: str) -> None:
    """Write the rows of a query as Parquet, with one warning for each column with values that the file has only nearly.

    DuckDB writes an integer of 128 bits as a DOUBLE, an INTERVAL with milliseconds, and a time of day without its zone.
    """
    columns = connection.execute(f"DESCRIBE ({query})").fetchall()
    is_exact = not any(_INEXACT.search(kind) for _, kind, *_ in columns)
    if not is_exact:
        connection.execute(f"CREATE TEMP TABLE mlv_result AS ({query})")
        query = "FROM mlv_result"
        columns = connection.execute("DESCRIBE mlv_result").fetchall()  # of two equal names, one is changed
    connection.execute(f"COPY ({query}) TO {quoted(path)} (FORMAT parquet)")
    file = f"read_parquet({quoted(no_pattern(path))}, hive_partitioning=false)"
    for name, kind, *_ in columns if not is_exact else ():
        if not _INEXACT.search(kind):
            continue
        column = '"' + name.replace('"', '""') + '"'
        changed = f"TRY_CAST(file.{column} AS {kind}) IS DISTINCT FROM mlv_result.{column}"
        count = f"SELECT count(*) FROM mlv_result POSITIONAL JOIN {file} AS file WHERE {changed}"
        (number,) = connection.execute(count).fetchone() or (0,)
        if number:
            warnings.warn(
                f"{number} values of the column {name!r} were rounded or lost their time zone, because Parquet has no "
                f"exact type for {kind}. To keep them, cast the column to VARCHAR.",
                stacklevel=2,
            )


def warn_of_nanoseconds(names: list[str], kinds: list[str]) -> None:
    """Warn of each column with nanoseconds, which the rows for CSV, JSON and tables don't have."""
    for name, kind in zip(names, kinds, strict=True):
        if re.search(r"TIME(STAMP)?_NS", kind):
            warnings.warn(
                f"the column {name!r} of the type {kind} is written with microseconds. To keep all digits, cast the "
                "column to VARCHAR.",
                stacklevel=2,
            )


def _distinct(names: list[str]) -> list[str]:
    """Return names for the members of an object: of equal names, all but the first get a number, as in DuckDB."""
    distinct: list[str] = []
    for name in names:
        number, wanted = 0, name
        while name in distinct or (number and name in names):
            number += 1
            name = f"{wanted}_{number}"
        distinct.append(name)
    return distinct


def _object(names: list[str], kinds: list[str], row: tuple[Any, ...]) -> str:
    members = {}
    for name, kind, value in zip(names, kinds, row, strict=True):
        members[name] = json.loads(value) if kind == "JSON" and value is not None else _json(value)
    return json.dumps(members, allow_nan=False)


def _json(value: Any) -> Any:
    """Return *value* for JSON, which has neither NaN nor infinities: they become the strings of a typed value."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {str(name): _json(member) for name, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json(item) for item in value]
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, Decimal):
        number = float(value) if value % 1 else int(value)
        return number if Decimal(repr(number)) == value else str(value)  # digits that a double doesn't have
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def _text(value: Any) -> Any:
    return json.dumps(_json(value)) if isinstance(value, (dict, list, tuple)) else value


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
