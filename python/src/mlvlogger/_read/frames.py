"""Metrics as columns, and as a DataFrame of pandas or polars, which are imported when one is asked for."""

from __future__ import annotations

from .._format.json import MAX_INT
from .._format.metrics import position

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, TypeAlias

    from .events import Event

    Columns: TypeAlias = dict[str, list[Any]]

__all__ = ["LAYOUTS", "long_columns", "pandas_frame", "polars_frame", "wide_columns"]

LAYOUTS = ("wide", "long")

_MAX_INT64 = 2**63 - 1
_EMPTY = {"event": "text", "metric": "text", "step": "int", "seq": "int", "time": "time"}  # of columns without values


class _Position:
    """The positions of events on one axis, as `Experiment.metric` gives them."""

    def __init__(self, axis: str) -> None:
        self.axis = axis
        self._counts: dict[tuple[str, str], int] = {}
        self.left_out = 0

    def of(self, event: Event, metric: str) -> float | None:
        """Return the position of a metric of an event; None if it has none, which is counted."""
        at = position(event.data, self.axis)
        if self.axis == "step":
            key = event.name, metric
            number = self._counts.get(key, 0)
            self._counts[key] = number + 1
            return number if at is None else at
        self.left_out += at is None
        return at


def _values(events: Iterable[Event], places: _Position) -> Iterator[tuple[Event, str, float, float]]:
    """Yield each value of each metric but the axis, as its event, its name, its position and the value."""
    for event in events:
        for metric, value in event.metrics.items():
            if metric == places.axis:
                continue
            at = places.of(event, metric)
            if at is not None:
                yield event, metric, at, value


def long_columns(events: Iterable[Event], axis: str) -> tuple[Columns, int]:
    """Return columns with a row for each value, in the order of the log, and how many values have no position."""
    others = ("event", "metric", "value", "seq", "time")
    names = ("event", "metric", "position" if axis in others else axis, "value", "seq", "time")
    places = _Position(axis)
    rows = [(event.name, name, at, value, event.seq, event.time) for event, name, at, value in _values(events, places)]
    columns = zip(*rows, strict=True) if rows else ([] for _ in names)
    return dict(zip(names, map(list, columns), strict=True)), places.left_out


def wide_columns(events: Iterable[Event], axis: str) -> tuple[Columns, int]:
    """Return a column for each metric, with a row for each position, and how many values have no position.

    The columns are named `event.metric`. If a metric has several values at a position, the further ones are in further
    rows with this position. A missing value is None.
    """
    places = _Position(axis)
    series: dict[str, dict[tuple[float, int], float]] = {}
    repeats: dict[tuple[str, float], int] = {}
    for event, metric, at, value in _values(events, places):
        name = f"{event.name}.{metric}"
        repeat = repeats[name, at] = repeats.get((name, at), -1) + 1
        series.setdefault(name, {})[at, repeat] = value
    keys = sorted({key for values in series.values() for key in values})
    columns: Columns = {"position" if axis in series else axis: [at for at, _ in keys]}
    for name, values in series.items():
        columns[name] = [values.get(key) for key in keys]
    return columns, places.left_out


def _kind(name: str, values: list[Any]) -> str:
    """Return the kind of a column: `int`, `float`, `time`, `text` or `object`; None is a missing value."""
    if not values:
        return _EMPTY.get(name, "float")
    types = {type(value) for value in values if value is not None}
    if types <= {int}:
        return "int" if all(value is None or -_MAX_INT64 <= value <= _MAX_INT64 for value in values) else "object"
    if types <= {int, float}:
        # A float has each integer up to 2**53; larger ones stay as they are.
        return "float" if all(type(value) is not int or abs(value) <= MAX_INT for value in values) else "object"
    return "text" if types == {str} else "time"


def pandas_frame(columns: Columns) -> Any:
    """Return a `pandas.DataFrame`.

    Raises:
        ModuleNotFoundError: If pandas isn't installed.
    """
    try:
        import pandas
    except ModuleNotFoundError as error:
        raise _missing(error, "pandas", "to_pandas") from None
    series = {}
    for name, values in columns.items():
        kind = _kind(name, values)
        if kind == "int":
            series[name] = pandas.Series(values, dtype="Int64" if None in values else "int64")
        elif kind == "time":
            series[name] = pandas.Series(pandas.to_datetime(values, utc=True))
        else:
            series[name] = pandas.Series(values, dtype="float64" if kind == "float" else "object")
    return pandas.DataFrame(series)


def polars_frame(columns: Columns) -> Any:
    """Return a `polars.DataFrame`.

    Raises:
        ModuleNotFoundError: If polars isn't installed.
    """
    try:
        import polars
    except ModuleNotFoundError as error:
        raise _missing(error, "polars", "to_polars") from None
    types = {
        "int": polars.Int64,
        "float": polars.Float64,
        "text": polars.String,
        "time": polars.Datetime("us", "UTC"),
        "object": polars.Object,
    }
    return polars.DataFrame(
        {
            name: polars.Series(name, values, types[_kind(name, values)], strict=False)
            for name, values in columns.items()
        }
    )


def _missing(error: ModuleNotFoundError, name: str, method: str) -> ModuleNotFoundError:
    if error.name != name:
        return error
    return ModuleNotFoundError(
        f"{method}() needs {name}, which isn't installed. Install it: pip install {name}.", name=name
    )
