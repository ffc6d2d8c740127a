"""Tables in attached files (specification 1.0, chapter Values)."""

from __future__ import annotations

import csv
import hashlib
import io
import os

from .._disk.folder import open_regular
from .._errors import InvalidRecord
from .._format.decode import decode_members
from .._format.parse import parse_line
from .._format.references import File
from .._format.table import Table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

__all__ = ["table_of"]

_ROWS, _CSV = "application/x-ndjson", "text/csv"


def table_of(directory: Path, experiment: str, value: Any) -> Table:
    """Return a table of an experiment. The arguments and exceptions are those of `ExistingExperiment.table`."""
    if isinstance(value, Table):
        return value
    if not isinstance(value, File):
        raise TypeError(f"a {type(value).__name__} isn't a table. Pass a Table, or the File of one, from an event.")
    if value.experiment not in (None, experiment):
        raise ValueError(f"{value.path!r} is a file of another experiment, {value.experiment}. Read that one.")
    if value.media_type not in (_ROWS, _CSV):
        raise ValueError(
            f"{value.path!r} has the media type {value.media_type!r}, which isn't that of a table that mlvlogger reads "
            f"({_ROWS}, {_CSV}). Read a Parquet file with pandas: pandas.read_parquet(exp.path / file.path)."
        )
    content = _content(directory, value)
    try:
        return _parsed_rows(content) if value.media_type == _ROWS else _parsed_csv(content)
    except (ValueError, TypeError, AttributeError, csv.Error) as error:
        raise InvalidRecord(f"{directory / value.path} isn't a table: {error}. Read the file yourself.") from error


def _content(directory: Path, file: File) -> bytes:
    path = os.path.join(os.path.realpath(directory), file.path)
    if os.path.realpath(path) != os.path.normpath(path):
        raise InvalidRecord(f"{path} is a symbolic link, or in one, which a reader doesn't follow.")
    with open_regular(path) as opened:
        content = opened.read()
    if len(content) != file.size or hashlib.sha256(content).hexdigest() != file.sha256:
        raise InvalidRecord(
            f"{path} isn't the file that the event refers to: its size or digest differs. Read the file yourself, if "
            "you trust it."
        )
    return content


def _parsed_rows(content: bytes) -> Table:
    rows = [decode_members(parse_line(line)) for line in content.split(b"\n") if line]
    columns = {name: None for row in rows for name in row}
    return Table(columns, [[row.get(name) for name in columns] for row in rows])


def _parsed_csv(content: bytes) -> Table:
    columns, *rows = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")) or [[]]
    return Table(columns, rows)
