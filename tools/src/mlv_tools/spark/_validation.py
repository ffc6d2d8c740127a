"""The validation of `mlv-validate` for large trees, on Spark."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession, Window  # type: ignore[import-not-found,unused-ignore]
from pyspark.sql import functions as F  # type: ignore[import-not-found,unused-ignore]

import mlv_validate
from mlv_tools._sql.rows import Row, storable
from mlv_tools.spark._distribute import TYPES, Columns, Unit, distribute, root_directory

__all__ = ["Validation", "validate"]

_COLUMNS: Columns = [
    (name, *TYPES[kind])
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

_MASKING_PHASES = ("bytes", "json", "schema")  # an error of these phases masks the metadata record


@dataclass(frozen=True)
class Validation:
    """The parts of the report of `mlv-validate`, with all paths relative to the root.

    Attributes:
        experiments: path, id, name, state, sealed, events.
        findings: rule, level, path, line, message.
        omitted: rule, level, path, number: the number of findings that were counted but aren't listed.
        unchecked: path, reason.
    """

    experiments: DataFrame
    findings: DataFrame
    omitted: DataFrame
    unchecked: DataFrame
    _read: DataFrame

    @property
    def verdict(self) -> str:
        """`valid`, `invalid` or `unchecked`, as `mlv-validate` reports for the whole tree."""
        if not self.unchecked.isEmpty():
            return "unchecked"
        errors = [frame.where("level = 'error'") for frame in (self.findings, self.omitted)]
        return "valid" if all(frame.isEmpty() for frame in errors) else "invalid"

    def unpersist(self) -> None:
        """Release the memory and the disk space in which Spark stores the results."""
        self._read.unpersist()


def validate(spark: SparkSession, root: str | os.PathLike[str], *, sealed: bool = False) -> Validation:
    """Validate all experiments in and below a directory, with the findings of `mlv-validate`.

    One worker validates an experiment together with its sub-experiments.

    Args:
        spark: The session.
        root: A directory on a file system that the driver and all workers have at the same path.
        sealed: Whether level Sealed is validated as well.

    Raises:
        FileNotFoundError: If *root* does not exist.
        NotADirectoryError: If *root* isn't a directory.
        ValueError: If *root* is a URL.
    """
    top = root_directory(root)
    found = mlv_validate.discover(top, nested=False)
    units = [Unit(top / path, _utf8(path)) for path in found.experiments]
    unchecked = [(_utf8(entry.path), entry.reason) for entry in found.unchecked]
    if not units:
        unchecked.append((".", "there is no experiment in it"))
    read = distribute(spark, units, _Validator(os.fspath(root), top, sealed), _COLUMNS).persist()
    experiments = read.where("part = 'experiment'")
    # Of all experiments with the same id, the others are copies of the first, in the order of the bytes of their paths.
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


class _Validator:
    """Validates the experiment in a directory, with its sub-experiments."""

    def __init__(self, root: str, top: Path, sealed: bool) -> None:
        self._root = root
        self._top = top
        self._sealed = sealed

    def __call__(self, unit: Unit) -> Iterator[Row]:
        try:
            report = mlv_validate.validate(unit.path, sealed=self._sealed)
        except FileNotFoundError as error:
            yield {"part": "unchecked", "path": unit.name, "reason": storable(str(error))}
            return
        (target,) = report.targets
        yield from self._experiments(unit, target)
        for finding in target.findings:
            if finding.rule != "id.copies":  # `validate` finds the copies of the whole tree at the end
                yield {
                    "part": "finding",
                    "rule": finding.rule,
                    "level": finding.level,
                    "path": _below(unit.name, finding.path),
                    "line": finding.line,
                    "message": _utf8(finding.message),
                }
        for entry in target.omitted:
            path = _below(unit.name, entry.path)
            yield {"part": "omitted", "rule": entry.rule, "level": entry.level, "path": path, "number": entry.number}
        for left in target.unchecked:
            yield {"part": "unchecked", "path": _below(unit.name, left.path), "reason": _utf8(left.reason)}

    def _experiments(self, unit: Unit, target: mlv_validate.Target) -> Iterator[Row]:
        masked = {
            finding.path
            for finding in target.findings
            if finding.level == "error" and mlv_validate.RULES[finding.rule].phase in _MASKING_PHASES
        }
        for one in target.experiments:
            meta = "meta.json" if one.path == "." else f"{one.path}/meta.json"
            # Only the id of an experiment of a later version is known.
            is_refused = one.name is None and one.state is None and not one.events
            where = os.path.normpath(os.path.join(os.path.relpath(unit.path, self._top), one.path))
            yield {
                "part": "experiment",
                "path": _below(unit.name, one.path),
                "id": one.id,
                "name": one.name and _utf8(one.name),
                "state": one.state,
                "sealed": one.sealed,
                "events": one.events,
                "comparable": not is_refused and meta not in masked,
                "key": os.fsencode("" if where == "." else where),
                "shown": ascii(os.path.join(self._root, "" if where == "." else where))[1:-1],
            }


def _below(name: str, path: str) -> str:
    path = _utf8(path)
    return path if name == "." else name if path == "." else f"{name}/{path}"


def _utf8(name: str) -> str:
    """Return a name as the JSON report of `mlv-validate` does: bytes that aren't UTF-8 become `\\xNN`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _joined(path: Any, name: str) -> Any:
    return F.when(path == ".", F.lit(name)).otherwise(F.concat(path, F.lit("/" + name)))
