"""The views of the definitions and of the best values of metrics, on Spark."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pyarrow  # type: ignore[import-not-found,import-untyped,unused-ignore]
from pyspark.sql import DataFrame  # type: ignore[import-not-found,unused-ignore]

from mlv_tools._sql.rows import Row
from mlv_tools._sql.schema import VIEWS
from mlv_tools.spark._distribute import TYPES
from mlvlogger import Event, Experiment, MetricDefinition, MetricDefinitions

__all__ = ["SERIES", "Series", "definitions_and_best"]

_DIRECTIONS = ("minimize", "maximize")
_EXTREME = "STRUCT<value: DOUBLE, seq: BIGINT, step: BIGINT>"
_EXTREME_ARROW = pyarrow.struct([("value", pyarrow.float64()), ("seq", pyarrow.int64()), ("step", pyarrow.int64())])

#: The types, in Spark and in Arrow, of what `Series.rows` returns.
SERIES = (
    f"ARRAY<STRUCT<event: STRING, name: STRING, {', '.join(f'{name}: {_EXTREME}' for name in _DIRECTIONS)}>>",
    pyarrow.list_(
        pyarrow.struct(
            [
                ("event", pyarrow.string()),
                ("name", pyarrow.string()),
                *((name, _EXTREME_ARROW) for name in _DIRECTIONS),
            ]
        )
    ),
)


class Series:
    """The metrics of a stream, each with its first least and its first greatest finite value."""

    def __init__(self) -> None:
        self._extremes: dict[tuple[str, str], dict[str, tuple[int | float, int, int]]] = {}

    def add(self, event: Event, name: str, step: int) -> None:
        """Add the value of a metric of an event."""
        value = event.metrics[name]
        extremes = self._extremes.setdefault((event.name, name), {})
        if value - value != 0:  # infinities and NaN
            return
        if "minimize" not in extremes or value < extremes["minimize"][0]:
            extremes["minimize"] = value, event.seq, step
        if "maximize" not in extremes or value > extremes["maximize"][0]:
            extremes["maximize"] = value, event.seq, step

    def rows(self) -> list[Row]:
        """Return a row for each metric, with None for extremes that don't exist."""
        return [
            {"event": event, "name": name, **{direction: _extreme(found) for direction, found in extremes.items()}}
            for (event, name), extremes in self._extremes.items()
        ]


def _extreme(found: tuple[int | float, int, int]) -> Row:
    value, seq, step = found
    nearest: float | None
    try:
        nearest = float(value)
    except OverflowError:  # the view has no value if it is beyond all doubles
        nearest = None
    return {"value": nearest, "seq": seq, "step": step}


def definitions_and_best(about: DataFrame) -> tuple[DataFrame, DataFrame]:
    """Return the views `definitions` and `best`.

    Args:
        about: A row for each stream: experiment, id, stream, defined, series.
    """
    # There are few definitions: the driver collects them, because those of `log.jsonl` hold in the other streams.
    defined: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for row in about.where("size(defined) > 0").select("experiment", "stream", "defined").collect():
        defined[row.experiment] += [(row.stream, data) for data in row.defined]
    series = about.select("experiment", "id", "stream", "series")
    return _view(series, "definitions", dict(defined), _definition), _view(series, "best", dict(defined), _best)


def _view(
    series: DataFrame,
    view: str,
    defined: dict[str, list[tuple[str, str]]],
    row_of: Callable[[Row, MetricDefinition], Row | None],
) -> DataFrame:
    """Return a view with what *row_of* returns for each metric of a stream that has a definition."""
    schema = pyarrow.schema([(name, TYPES[kind][1]) for name, kind, _ in VIEWS[view]])

    def rows(batch: Any) -> Iterator[Row]:
        for stream in batch.to_pylist():
            known = _known(stream["stream"], defined.get(stream["experiment"], []))
            for one in (stream["series"] or []) if known else []:
                definition = known.of(one["event"], one["name"])
                row = row_of(one, definition) if definition else None
                if row is not None:
                    shared = {name: stream[name] for name in ("experiment", "id", "stream")}
                    yield shared | {"event": one["event"], "name": one["name"]} | row

    def run(batches: Iterable[Any]) -> Iterator[Any]:
        for batch in batches:
            yield pyarrow.RecordBatch.from_pylist(list(rows(batch)), schema)

    return series.mapInArrow(run, ", ".join(f"`{name}` {TYPES[kind][0]}" for name, kind, _ in VIEWS[view]))


def _known(stream: str, defined: list[tuple[str, str]]) -> MetricDefinitions:
    """Return the definitions that hold in a stream."""
    known = MetricDefinitions()
    for defined_in, data in defined:
        if defined_in in (stream, Experiment.default_stream):
            known.add(json.loads(data), is_default=defined_in != stream)
    return known


def _definition(_: Row, definition: MetricDefinition) -> Row:
    return {name: getattr(definition, name) for name in ("direction", "unit", "description", "axis")}


def _best(series: Row, definition: MetricDefinition) -> Row | None:
    found = series[definition.direction] if definition.direction else None
    return found and {"direction": definition.direction} | found
