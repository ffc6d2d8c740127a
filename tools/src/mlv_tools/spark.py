"""Great trees of experiments on Apache Spark: the views of `mlv_tools.connect`, and the verdicts of `mlv-validate`.

Spark spreads the directories over its Python workers, where `mlvlogger.read` and `mlv_validate.validate` read them.
Spark's own JSON reader is faster, and takes lines for events that a reader of MLV must leave out.
"""

from __future__ import annotations

import json
import os
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow  # type: ignore[import-not-found,import-untyped,unused-ignore]
from pyspark.sql import DataFrame, SparkSession, Window  # type: ignore[import-not-found,unused-ignore]
from pyspark.sql import functions as F  # type: ignore[import-not-found,unused-ignore]

import mlvlogger
from mlv_tools._columns import VIEWS
from mlv_tools._rows import Row, event_rows, experiment_row, leftovers, problem_row, shown, strays
from mlv_tools._trees import Found, find
from mlvlogger import MLVError

__all__ = ["Validation", "Views", "validate", "views"]


@dataclass(frozen=True)
class Views:
    """What `views` returns: a DataFrame for each view, with the columns that `mlv_tools.connect` gives it.

    Text that is JSON (`params`, `data`, …) is a STRING, for Spark's `parse_json` or `get_json_object`; times are
    TIMESTAMP_NTZ, in UTC.
    """

    experiments: DataFrame
    events: DataFrame
    metrics: DataFrame
    problems: DataFrame
    _read: tuple[DataFrame, ...]

    def unpersist(self) -> None:
        """Give back the memory and the disk in which Spark keeps what was read."""
        for frame in self._read:
            frame.unpersist()


@dataclass(frozen=True)
class Validation:
    """What `validate` returns: the parts of the report of `mlv-validate`, with all paths relative to the root.

    Attributes:
        experiments: path, id, name, state, sealed, events.
        findings: rule, level, path, line, message.
        omitted: rule, level, path, number: how many findings were counted and are not listed.
        unchecked: path, reason.
    """

    experiments: DataFrame
    findings: DataFrame
    omitted: DataFrame
    unchecked: DataFrame
    _read: DataFrame

    @property
    def verdict(self) -> str:
        """`valid`, `invalid` or `unchecked`, as `mlv-validate` says of the whole tree."""
        if not self.unchecked.isEmpty():
            return "unchecked"
        errors = [frame.where("level = 'error'") for frame in (self.findings, self.omitted)]
        return "valid" if all(frame.isEmpty() for frame in errors) else "invalid"

    def unpersist(self) -> None:
        """Give back the memory and the disk in which Spark keeps what was found."""
        self._read.unpersist()


def views(spark: SparkSession, root: str | os.PathLike[str]) -> Views:
    """The experiments in and below the directory *root*, as DataFrames with the rows of the views of `connect`.

    *root* is on a file system that the driver and all workers have at this path. The driver lists it; a stream is
    read as a whole, by one worker. It is read at the call, once, and kept by Spark in memory and on local disks, until
    `Views.unpersist`. What could not be read is in `problems`, and there is a warning where that has rows.

    Raises FileNotFoundError, NotADirectoryError, and ValueError for a URL.
    """
    top = _directory(root)
    directories: list[_Unit] = []
    streams: list[_Unit] = []
    for found in find(top):
        name = "." if found.path == top else shown(found.name)
        directories.append(_Unit(found.path, name, error=shown(found.error)))
        for stream in found.experiment.streams if found.experiment else ():
            streams.append(_Unit(found.path, name, stream, size=_size(found.path / stream)))
    experiments = _spread(spark, directories, _experiment, _EXPERIMENTS).persist()
    events = _spread(spark, streams, _events, _EVENTS).persist()
    problems = (
        experiments.select(F.explode("problems").alias("problem"))
        .union(events.where("event IS NULL").select(F.explode("problems")))
        .select("problem.*")
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
    _warn(problems)
    return result


def validate(spark: SparkSession, root: str | os.PathLike[str], *, sealed: bool = False) -> Validation:
    """Judge all experiments in and below the directory *root*, with the findings of `mlv-validate` *root*.

    An experiment is judged with everything below it, by one worker; `sealed` asks for level Sealed as well. *root* and
    the exceptions are those of `views`.
    """
    top = _directory(root)
    units: list[_Unit] = []
    unchecked: list[tuple[str, str]] = []
    _outermost(top, top, 0, units, unchecked)
    if not units:
        unchecked.append((".", "there is no experiment in it"))
    read = _spread(spark, units, _Judge(os.fspath(root), top, sealed), _JUDGED).persist()
    experiments = read.where("part = 'experiment'")
    # The first of those with the same id, in the order of the bytes of their paths, is the one that the others copy.
    same = Window.partitionBy("id").orderBy("key")
    copies = (
        experiments.where("comparable AND id IS NOT NULL")
        .select("path", F.first("path").over(same).alias("first"), F.first("shown").over(same).alias("shown"))
        .where("path != first")
        .select(
            F.lit("id.copies").alias("rule"),
            F.lit("warning").alias("level"),
            _joined(F.col("path"), "meta.json").alias("path"),
            F.lit(None).cast("BIGINT").alias("line"),
            F.concat(F.lit("it has the same id as "), "shown").alias("message"),
        )
    )
    return Validation(
        experiments.select("path", "id", "name", "state", "sealed", "events"),
        read.where("part = 'finding'").select("rule", "level", "path", "line", "message").union(copies),
        read.where("part = 'omitted'").select("rule", "level", "path", "number"),
        read.where("part = 'unchecked'")
        .select("path", "reason")
        .union(spark.createDataFrame(unchecked, "path STRING, reason STRING")),
        read,
    )


# Spreading.

_TYPES = {
    "VARCHAR": ("STRING", pyarrow.string()),
    "JSON": ("STRING", pyarrow.string()),
    "VARCHAR[]": ("ARRAY<STRING>", pyarrow.list_(pyarrow.string())),
    "TIMESTAMP": ("TIMESTAMP_NTZ", pyarrow.timestamp("us")),
    "BIGINT": ("BIGINT", pyarrow.int64()),
    "DOUBLE": ("DOUBLE", pyarrow.float64()),
    "BOOLEAN": ("BOOLEAN", pyarrow.bool_()),
    "BLOB": ("BINARY", pyarrow.binary()),
}

_Columns = list[tuple[str, str, pyarrow.DataType]]
"""Names, types in Spark, types in Arrow."""


@dataclass(frozen=True)
class _Unit:
    """What one worker reads at a time: a directory, or a stream of it."""

    path: Path
    name: str
    stream: str = ""
    error: str = ""
    size: int = 0


_ROWS = 1000
_BYTES = 4 * 1024 * 1024  # a batch of rows has not much more of JSON, but for one long event
_TASK_UNITS = 64  # so many small directories are worth the start of a task of Spark
_TASK_BYTES = 32 * 1024 * 1024


def _spread(
    spark: SparkSession, units: list[_Unit], work: Callable[[_Unit], Iterator[Row]], columns: _Columns
) -> DataFrame:
    """The rows that *work* gives for each unit, computed by the workers."""
    # A path that is not UTF-8 travels as its bytes.
    data = [(os.fsencode(unit.path), unit.name, unit.stream, unit.error) for unit in units]
    tasks = 1 + len(units) // _TASK_UNITS + sum(unit.size for unit in units) // _TASK_BYTES
    schema = pyarrow.schema([(name, type_) for name, _, type_ in columns])

    def run(batches: Iterable[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
        given = (row for batch in batches for row in batch.to_pylist())
        done = (
            row
            for unit in given
            for row in work(_Unit(Path(os.fsdecode(unit["path"])), unit["name"], unit["stream"], unit["error"]))
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


def _directory(root: str | os.PathLike[str]) -> Path:
    text = os.fspath(root)
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text):
        raise ValueError(
            f"{text!r} is a URL, and directories are read as files. Mount it at the same path on the driver and on all "
            "workers, and give that path; or copy the tree to a file system that they share."
        )
    os.scandir(text).close()
    return Path(os.path.abspath(text))


def _size(file: Path) -> int:
    try:
        return file.stat(follow_symlinks=False).st_size
    except OSError:
        return 0


# The views.

_PROBLEM = (
    "ARRAY<STRUCT<experiment: STRING, path: STRING, line: BIGINT, message: STRING>>",
    pyarrow.list_(pyarrow.struct([(name, _TYPES[kind][1]) for name, kind, _ in VIEWS["problems"]])),
)
_METRIC = (
    "ARRAY<STRUCT<step: BIGINT, name: STRING, value: DOUBLE>>",
    pyarrow.list_(
        pyarrow.struct([("step", pyarrow.int64()), ("name", pyarrow.string()), ("value", pyarrow.float64())])
    ),
)
_EXPERIMENTS: _Columns = [*((name, *_TYPES[kind]) for name, kind, _ in VIEWS["experiments"]), ("problems", *_PROBLEM)]
_EVENTS: _Columns = [
    *((name, *_TYPES[kind]) for name, kind, _ in VIEWS["events"]),
    ("metrics", *_METRIC),
    ("problems", *_PROBLEM),
]
_COMMON = ("experiment", "id", "stream", "seq", "time", "event")


def _experiment(unit: _Unit) -> Iterator[Row]:
    """The row of an experiment, with the problems of its records and its folder `log`."""
    experiment, error = None, unit.error
    if not error:
        try:
            experiment = mlvlogger.read(unit.path)
        except (MLVError, OSError) as raised:
            error = f"{raised} (for details, run: mlv-validate {unit.path})"
    problems: list[Row] = []
    if experiment is None:
        problems.append(problem_row(unit.name, "meta.json", None, error))
    else:
        problems += [problem_row(unit.name, one.path, one.line, one.message) for one in experiment.problems]
        problems += [problem_row(unit.name, path, None, message) for path, message in strays(experiment)]
    row = experiment_row(Found(unit.path, unit.name, 0, experiment, error), unit.name)
    for name in ("params", "environments", "extra"):
        row[name] = json.dumps(row[name]) if name in row else None
    yield row | {"created": _datetime(row.get("created")), "problems": problems}


def _events(unit: _Unit) -> Iterator[Row]:
    """The events of a stream with their metrics, and then one row with its problems, which isn't an event."""
    problems: list[Row] = []
    try:
        experiment = mlvlogger.read(unit.path)
        counts: Counter[tuple[str, str]] = Counter()
        for row in event_rows(experiment, unit.stream):
            data = row["data"]
            step = _integer(data.get("step"))
            yield row | {
                "experiment": unit.name,
                "id": experiment.id,
                "stream": unit.stream,
                "time": _datetime(row["time"]),
                "step": step,
                "data": json.dumps(data, separators=(",", ":")),
                "seconds": None if row["seconds"] is None else float(row["seconds"]),
                "metrics": list(_metrics(row["event"], data, step, counts)),
            }
        left = [*leftovers(experiment, unit.stream)]
        left += [(one.path, one.line, one.message) for one in experiment.problems]
        problems += [problem_row(unit.name, *problem) for problem in left]
    except (MLVError, OSError) as error:
        message = f"{error} (for details, run: mlv-validate {unit.path})"
        problems.append(problem_row(unit.name, unit.stream, None, message))
    if problems:
        yield {"experiment": unit.name, "problems": problems}


def _metrics(event: str, data: Row, step: int | None, counts: Counter[tuple[str, str]]) -> Iterator[Row]:
    if event.startswith("mlv/"):
        return
    for raw, value in data.items():
        number = None if raw == "step" else _number(value)
        if number is not None:
            name = raw[1:] if _ESCAPED.fullmatch(raw) else raw
            yield {"step": counts[event, name] if step is None else step, "name": name, "value": number}
            counts[event, name] += 1


_ESCAPED = re.compile("__+mlv")
_INTEGER = re.compile("0|-?[1-9][0-9]*")
_INT64 = 2**63


def _number(value: Any) -> float | None:
    """The number that a member is, as JSON or as a typed value, or None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, dict) and isinstance(text := value.get("value"), str):
        if value.get("_mlv") == "float" and text in ("nan", "inf", "-inf"):
            return float(text)
        if value.get("_mlv") == "int" and _INTEGER.fullmatch(text) and abs(number := float(text)) != float("inf"):
            return number
    return None


def _integer(value: Any) -> int | None:
    """The integer that a member is, where a BIGINT holds it, or None."""
    if isinstance(value, dict):
        text = value.get("value")
        if value.get("_mlv") != "int" or not isinstance(text, str) or len(text) > 20 or not _INTEGER.fullmatch(text):
            return None
        value = int(text)
    if isinstance(value, bool) or not isinstance(value, int | float) or value % 1 != 0:
        return None
    return int(value) if -_INT64 <= value < _INT64 else None


def _datetime(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _warn(problems: DataFrame) -> None:
    first = problems.first()
    if first is None:
        return
    count = problems.count()
    where = f"{first.experiment}/{first.path}" + (f":{first.line}" if first.line else "")
    text = f"{where}: {first.message}".encode("unicode_escape").decode("ascii")
    things = f"{count} things were" if count > 1 else "Something was"
    warnings.warn(f"{things} left out of the views, such as {text}. The view `problems` has all of them.", stacklevel=3)


# Validation.

_JUDGED: _Columns = [
    (name, *_TYPES[kind])
    for name, kind in (
        ("part", "VARCHAR"),
        ("path", "VARCHAR"),
        ("id", "VARCHAR"),
        ("name", "VARCHAR"),
        ("state", "VARCHAR"),
        ("sealed", "BOOLEAN"),
        ("events", "BIGINT"),
        ("comparable", "BOOLEAN"),
        ("key", "BLOB"),
        ("shown", "VARCHAR"),
        ("rule", "VARCHAR"),
        ("level", "VARCHAR"),
        ("line", "BIGINT"),
        ("message", "VARCHAR"),
        ("number", "BIGINT"),
        ("reason", "VARCHAR"),
    )
]

_DEEPEST = 64  # directories below the root
_LONGEST = 16 * 1024 * 1024  # bytes of a record
_FIRST_PHASES = ("bytes", "json", "schema")  # an error in them masks the record


def _outermost(top: Path, directory: Path, level: int, units: list[_Unit], unchecked: list[tuple[str, str]]) -> None:
    """Those experiments that are in no other one, as `mlv-validate` takes directories for experiments."""
    name = "." if directory == top else os.path.relpath(directory, top)
    if level > _DEEPEST:
        unchecked.append((_storable(name), f"it is more than {_DEEPEST} directories deep"))
        return
    try:
        with os.scandir(directory) as entries:
            kinds = {
                entry.name: (entry.is_file(follow_symlinks=False), entry.is_dir(follow_symlinks=False))
                for entry in entries
            }
    except OSError as error:
        unchecked.append((_storable(name), error.strerror or str(error)))
        return
    is_file = [entry for entry in ("meta.json", "log.jsonl") if kinds.get(entry, (False,))[0]]
    if (level == 0 and "meta.json" in kinds) or any(_says_so(directory / entry) for entry in is_file):
        units.append(_Unit(directory, name if name == "." else _storable(name)))
        return
    for inner in sorted((inner for inner, (_, is_directory) in kinds.items() if is_directory), key=os.fsencode):
        _outermost(top, directory / inner, level + 1, units, unchecked)


def _says_so(file: Path) -> bool:
    """Whether a meta.json, or the first line of a log.jsonl, says that it is of an experiment."""
    is_log = file.name == "log.jsonl"
    try:
        with open(file, "rb") as opened:
            raw = opened.readline(_LONGEST + 1) if is_log else opened.read(_LONGEST + 1)
    except OSError:
        return False
    if len(raw) > _LONGEST or is_log and (not raw.endswith(b"\n") or b"\r" in raw):
        return False
    try:
        # Digits don't matter here, and Python refuses to convert very many.
        value = json.loads(raw.decode("utf-8"), parse_int=str, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    if not isinstance(value, dict) or _depth(value) > 64:
        return False
    if not is_log:
        return isinstance(value.get("mlv"), str)
    data = value.get("data")
    return value.get("event") == "mlv/start" and isinstance(data, dict) and isinstance(data.get("experiment"), str)


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(_depth, inner), default=0)


class _Judge:
    """Judges the experiment in a directory, and those below it."""

    def __init__(self, root: str, top: Path, sealed: bool) -> None:
        self._root = root
        self._top = top
        self._sealed = sealed

    def __call__(self, unit: _Unit) -> Iterator[Row]:
        import mlv_validate

        try:
            report = mlv_validate.validate(unit.path, sealed=self._sealed)
        except FileNotFoundError as error:
            yield {"part": "unchecked", "path": unit.name, "reason": shown(str(error))}
            return
        (target,) = report.targets
        masked = {
            finding.path
            for finding in target.findings
            if finding.level == "error" and mlv_validate.RULES[finding.rule].phase in _FIRST_PHASES
        }
        for one in target.experiments:
            meta = "meta.json" if one.path == "." else f"{one.path}/meta.json"
            # Of one that was refused, as one of a later version is, nothing but the id is known.
            refused = one.name is None and one.state is None and not one.events
            where = os.path.normpath(os.path.join(os.path.relpath(unit.path, self._top), one.path))
            yield {
                "part": "experiment",
                "path": _below(unit.name, one.path),
                "id": one.id,
                "name": one.name and _storable(one.name),
                "state": one.state,
                "sealed": one.sealed,
                "events": one.events,
                "comparable": not refused and meta not in masked,
                "key": os.fsencode("" if where == "." else where),
                "shown": ascii(os.path.join(self._root, "" if where == "." else where))[1:-1],
            }
        for finding in target.findings:
            if finding.rule != "id.copies":  # those in the whole tree are found at the end
                yield {
                    "part": "finding",
                    "rule": finding.rule,
                    "level": finding.level,
                    "path": _below(unit.name, finding.path),
                    "line": finding.line,
                    "message": _storable(finding.message),
                }
        for entry in target.omitted:
            path = _below(unit.name, entry.path)
            yield {"part": "omitted", "rule": entry.rule, "level": entry.level, "path": path, "number": entry.number}
        for left in target.unchecked:
            yield {"part": "unchecked", "path": _below(unit.name, left.path), "reason": _storable(left.reason)}


def _below(name: str, path: str) -> str:
    path = _storable(path)
    return path if name == "." else name if path == "." else f"{name}/{path}"


def _storable(name: str) -> str:
    """A name as the report of `mlv-validate` has it: bytes that are not UTF-8 become `\\xNN`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _joined(path: Any, name: str) -> Any:
    return F.when(path == ".", F.lit(name)).otherwise(F.concat(path, F.lit("/" + name)))
