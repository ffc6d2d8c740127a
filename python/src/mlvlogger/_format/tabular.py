"""Histograms and tables as JSON, in a record or in a file of rows (specification 1.0, chapter Values)."""

from __future__ import annotations

from .decode import is_escaped
from .json import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .histogram import Histogram
    from .references import File
    from .table import Table

__all__ = ["histogram_tree", "row_lines", "table_tree"]

_MAX_ROWS = 1000
_MAX_CHARACTERS = 1024 * 1024  # of the rows as JSON


def histogram_tree(histogram: Histogram, encode: Callable[[Any], Any]) -> dict[str, Any]:
    """Return the JSON tree of a histogram.

    Args:
        histogram: The histogram.
        encode: A function that returns the tree of a number, which may be infinite.
    """
    members = {name: getattr(histogram, name) for name in histogram.__match_args__}
    trees = {
        name: list(member) if type(member) is tuple else encode(member)
        for name, member in members.items()
        if member is not None
    }
    return {"_mlv": "histogram", **trees}


def table_tree(
    table: Table, encode: Callable[[int, tuple[Any, ...]], Any], attach: Callable[[bytes], File | None] | None
) -> dict[str, Any] | File:
    """Return the JSON tree of a table, or the reference to the file that a large one was written to.

    Args:
        table: The table.
        encode: A function that returns the tree of a row, of which it gets the number.
        attach: A function that attaches a file of rows, and returns None if it can't; None if there is none.
    """
    if attach is not None and len(table.rows) > _MAX_ROWS and (file := attach(row_lines(table, encode))) is not None:
        return file
    rows = [encode(number, row) for number, row in enumerate(table.rows)]
    if attach is not None and len(dumps(rows)) > _MAX_CHARACTERS:
        if (file := attach(row_lines(table, lambda number, _: rows[number]))) is not None:
            return file
    return {"_mlv": "table", "columns": list(table.columns), "rows": rows}


def row_lines(table: Table, encode: Callable[[int, tuple[Any, ...]], Any]) -> bytes:
    """Return the content of a file of rows: a JSON object on each line. *encode* is that of `table_tree`."""
    names = [f"_{name}" if name[:1] == "_" and is_escaped(f"_{name}") else name for name in table.columns]
    lines = [dumps(dict(zip(names, encode(number, row), strict=True))) for number, row in enumerate(table.rows)]
    return "".join(f"{line}\n" for line in lines).encode("ascii")
