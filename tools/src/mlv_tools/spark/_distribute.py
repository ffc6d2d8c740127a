"""Work on directories, distributed over the Python workers of Spark."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow  # type: ignore[import-not-found,import-untyped,unused-ignore]
from pyspark.sql import DataFrame, SparkSession  # type: ignore[import-not-found,unused-ignore]

from mlv_tools._sql.rows import Row

__all__ = ["TYPES", "Columns", "Unit", "distribute", "root_directory"]

#: The types of Spark and of Arrow for each type of DuckDB.
TYPES = {
    "VARCHAR": ("STRING", pyarrow.string()),
    "JSON": ("STRING", pyarrow.string()),
    "VARCHAR[]": ("ARRAY<STRING>", pyarrow.list_(pyarrow.string())),
    "TIMESTAMP": ("TIMESTAMP_NTZ", pyarrow.timestamp("us")),
    "BIGINT": ("BIGINT", pyarrow.int64()),
    "DOUBLE": ("DOUBLE", pyarrow.float64()),
    "BOOLEAN": ("BOOLEAN", pyarrow.bool_()),
    "BLOB": ("BINARY", pyarrow.binary()),
}

#: Names, types in Spark, types in Arrow.
Columns = list[tuple[str, str, pyarrow.DataType]]

_ROWS = 1000  # of a batch
_BYTES = 4 * 1024 * 1024  # of the JSON of a batch; one long event may exceed this
_TASK_UNITS = 64  # the start of a task costs as much as this number of small directories
_TASK_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True)
class Unit:
    """The part of a tree that one worker reads at a time.

    Attributes:
        path: The directory.
        name: The name of its experiment in the results.
        stream: The path of a stream, or "" for the whole directory.
        error: Why the experiment cannot be read, or "".
        size: The number of bytes of the stream.
    """

    path: Path
    name: str
    stream: str = ""
    error: str = ""
    size: int = 0


def distribute(
    spark: SparkSession, units: list[Unit], work: Callable[[Unit], Iterator[Row]], columns: Columns
) -> DataFrame:
    """Return the rows that *work* yields for each unit, computed by the workers."""
    # The path is passed as bytes, because it may not be UTF-8.
    data = [(os.fsencode(unit.path), unit.name, unit.stream, unit.error) for unit in units]
    tasks = 1 + len(units) // _TASK_UNITS + sum(unit.size for unit in units) // _TASK_BYTES
    schema = pyarrow.schema([(name, type_) for name, _, type_ in columns])

    def run(batches: Iterable[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
        given = (row for batch in batches for row in batch.to_pylist())
        done = (
            row
            for unit in given
            for row in work(Unit(Path(os.fsdecode(unit["path"])), unit["name"], unit["stream"], unit["error"]))
        )
        for rows in _batched(done):
            yield pyarrow.RecordBatch.from_pylist(rows, schema)

    frame = spark.createDataFrame(data, "path BINARY, name STRING, stream STRING, error STRING")
    types = ", ".join(f"`{name}` {type_}" for name, type_, _ in columns)
    return frame.repartition(max(1, min(tasks, len(units)))).mapInArrow(run, types)


def _batched(rows: Iterator[Row]) -> Iterator[list[Row]]:
    batch: list[Row] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += len(row.get("data") or "")
        if len(batch) >= _ROWS or size >= _BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def root_directory(root: str | os.PathLike[str]) -> Path:
    """Return the absolute path of *root*.

    Raises:
        ValueError: If *root* is a URL.
        FileNotFoundError: If *root* does not exist.
        NotADirectoryError: If *root* isn't a directory.
    """
    text = os.fspath(root)
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text):
        raise ValueError(
            f"{text!r} is a URL, and directories are read as files. Mount it at the same path on the driver and on all "
            "workers, and pass that path; or copy the tree to a file system that they share."
        )
    os.scandir(text).close()
    return Path(os.path.abspath(text))
