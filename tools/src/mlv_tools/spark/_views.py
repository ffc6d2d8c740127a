"""The views of `mlv_tools.connect` for large trees, on Spark."""

from __future__ import annotations

import json
import os
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow  # type: ignore[import-not-found,import-untyped,unused-ignore]
from pyspark.sql import DataFrame, SparkSession  # type: ignore[import-not-found,unused-ignore]
from pyspark.sql import functions as F  # type: ignore[import-not-found,unused-ignore]

import mlvlogger
from mlv_tools._display.text import as_float
from mlv_tools._reading.trees import Found, details, find
from mlv_tools._sql.rows import (
    Row,
    event_rows,
    experiment_name,
    experiment_row,
    link_problems,
    log_strays,
    problem_row,
    rounded,
    storable,
    torn_end,
)
from mlv_tools._sql.schema import VIEWS
from mlv_tools._sql.views import left_out
from mlv_tools.spark._distribute import TYPES, Columns, Unit, distribute, root_directory
from mlvlogger import Event, MLVError

__all__ = ["Views", "views"]

_PROBLEM_COLUMNS = "experiment: STRING, path: STRING, line: BIGINT, message: STRING"
_PROBLEM = (
    f"ARRAY<STRUCT<{_PROBLEM_COLUMNS}>>",
    pyarrow.list_(pyarrow.struct([(name, TYPES[kind][1]) for name, kind, _ in VIEWS["problems"]])),
)
_METRIC = (
    "ARRAY<STRUCT<step: BIGINT, name: STRING, value: DOUBLE>>",
    pyarrow.list_(
        pyarrow.struct([("step", pyarrow.int64()), ("name", pyarrow.string()), ("value", pyarrow.float64())])
    ),
)
_EXPERIMENTS: Columns = [*((name, *TYPES[kind]) for name, kind, _ in VIEWS["experiments"]), ("problems", *_PROBLEM)]
_EVENTS: Columns = [
    *((name, *TYPES[kind]) for name, kind, _ in VIEWS["events"]),
    ("metrics", *_METRIC),
    ("problems", *_PROBLEM),
]
_COMMON = ("experiment", "id", "stream", "seq", "time", "event")


@dataclass(frozen=True)
class Views:
    """A DataFrame for each view, with the columns of the views of `mlv_tools.connect`.

    JSON (`params`, `data`, …) is a STRING, for Spark's `parse_json` or `get_json_object`; times are TIMESTAMP_NTZ, in
    UTC.
    """

    experiments: DataFrame
    events: DataFrame
    metrics: DataFrame
    problems: DataFrame
    _read: tuple[DataFrame, ...]

    def unpersist(self) -> None:
        """Release the memory and the disk space in which Spark stores the data."""
        for frame in self._read:
            frame.unpersist()


def views(spark: SparkSession, root: str | os.PathLike[str]) -> Views:
    """Read all experiments in and below a directory as DataFrames, with the rows of the views of `connect`.

    The driver lists the directory; one worker reads a stream as a whole. The data is read once, at the call, and Spark
    stores it in memory and on local disks until `Views.unpersist`. All that could not be read is in `problems`; if that
    view has rows, `views` warns.

    Args:
        spark: The session.
        root: A directory on a file system that the driver and all workers have at the same path.

    Raises:
        FileNotFoundError: If *root* does not exist.
        NotADirectoryError: If *root* isn't a directory.
        ValueError: If *root* is a URL.
    """
    top = root_directory(root)
    directories: list[Unit] = []
    streams: list[Unit] = []
    for found in find(top):
        name = experiment_name(top, found.path)
        directories.append(Unit(found.path, name, error=storable(found.error)))
        for stream in found.experiment.streams if found.experiment else ():
            streams.append(Unit(found.path, name, stream, size=_size(found.path / stream)))
    experiments = distribute(spark, directories, _experiment, _EXPERIMENTS).persist()
    events = distribute(spark, streams, _events, _EVENTS).persist()
    problems = (
        experiments.select(F.explode("problems").alias("problem"))
        .union(events.where("event IS NULL").select(F.explode("problems")))
        .select("problem.*")
        .union(spark.createDataFrame([tuple(row.values()) for row in link_problems(top)], _PROBLEM_COLUMNS))
        .distinct()
        .orderBy("experiment", "path", F.coalesce("line", F.lit(0)))
    )
    result = Views(
        experiments.drop("problems"),
        events.where("event IS NOT NULL").drop("metrics", "problems"),
        events.select(*_COMMON, F.explode("metrics").alias("metric")).select(*_COMMON, "metric.*"),
        problems,
        (experiments, events),
    )
    if (first := problems.first()) is not None:
        where = f"{first.experiment}/{first.path}" + (f":{first.line}" if first.line else "")
        warnings.warn(left_out(problems.count(), f"{where}: {first.message}", "problems.show()"), stacklevel=2)
    return result


def _size(file: Path) -> int:
    try:
        return file.stat(follow_symlinks=False).st_size
    except OSError:
        return 0


def _experiment(unit: Unit) -> Iterator[Row]:
    """Yield the row of an experiment, with the problems of its records and of its folder `log`."""
    experiment, error = None, unit.error
    if not error:
        try:
            experiment = mlvlogger.read(unit.path)
        except (MLVError, OSError) as raised:
            error = f"{raised} {details(unit.path)}"
    problems: list[Row] = []
    if experiment is None:
        problems.append(problem_row(unit.name, "meta.json", None, error))
    else:
        problems += [problem_row(unit.name, one.path, one.line, one.message) for one in experiment.problems]
        problems += [problem_row(unit.name, path, None, message) for path, message in log_strays(experiment)]
    row = experiment_row(Found(unit.path, unit.name, 0, experiment, error), unit.name)
    for name in ("params", "changes", "environments", "extra"):
        row[name] = json.dumps(row[name]) if name in row else None
    yield row | {"created": _datetime(row.get("created")), "problems": problems}


def _events(unit: Unit) -> Iterator[Row]:
    """Yield the events of a stream with their metrics, and then one row with its problems, which isn't an event."""
    problems: list[Row] = []
    try:
        experiment = mlvlogger.read(unit.path)
        counts: Counter[tuple[str, str]] = Counter()
        inexact: list[tuple[str, str]] = []
        for event, row in event_rows(experiment, unit.stream):
            yield row | {
                "experiment": unit.name,
                "id": experiment.id,
                "stream": unit.stream,
                "time": _datetime(row["time"]),
                "data": json.dumps(row["data"], separators=(",", ":")),
                "seconds": None if row["seconds"] is None else float(row["seconds"]),
                "metrics": list(_metrics(event, row["step"], counts)),
            }
            inexact += [(event.name, name) for name, value in sorted(event.metrics.items()) if _is_rounded(value)]
        left = [*torn_end(experiment, unit.stream)]
        if inexact:
            left.append((unit.stream, None, rounded(len(inexact), *inexact[0])))
        left += [(one.path, one.line, one.message) for one in experiment.problems]
        problems += [problem_row(unit.name, *one) for one in left]
    except (MLVError, OSError) as error:
        problems.append(problem_row(unit.name, unit.stream, None, f"{error} {details(unit.path)}"))
    if problems:
        yield {"experiment": unit.name, "problems": problems}


def _metrics(event: Event, step: int | None, counts: Counter[tuple[str, str]]) -> Iterator[Row]:
    """Yield the metrics of an event as rows of `metrics`."""
    for name, value in event.metrics.items():
        yield {"step": counts[event.name, name] if step is None else step, "name": name, "value": as_float(value)}
        counts[event.name, name] += 1


def _is_rounded(value: int | float) -> bool:
    return isinstance(value, int) and as_float(value) != value


def _datetime(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
