"""Curves with few points that look like the whole: of each stretch of points the lowest and the highest are kept.

The database thins: it reads millions of points once, and some hundreds of each curve come out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

__all__ = ["Curve", "curves"]

_FEWEST = 20  # stretches of a curve, however many curves there are

# Numbers instead of four names make the rest three times as fast.
_SERIES = """
create or replace temp table mlv_series as
select row_number() over (order by experiment, stream, event, metric) as id, *
from (select experiment, stream, event, metric, count(*) as total from mlv_values group by all)
"""
_POINTS = """
create or replace temp table mlv_points as
select id, total, seq, step, epoch(time) as time, value,
    row_number() over (partition by id order by step, seq) - 1 as n
from mlv_values join mlv_series using (experiment, stream, event, metric)
"""
# A curve that is short enough has a stretch for each point.
_STRETCHES = """
create or replace temp table mlv_stretches as
select id, if(total <= 2 * ?, n, n * ? // total) as stretch, total > 2 * ? as is_thinned,
    arg_min(n, value) filter (isfinite(value)) as low,
    arg_max(n, value) filter (isfinite(value)) as high,
    min(n) filter (not isfinite(value)) as gap,
    avg(step) as step, avg(time) as time, avg(value) filter (isfinite(value)) as value
from mlv_points group by all
"""
_KEPT = """
select id, step, time, value
from mlv_points semi join (select id, unnest([low, high, gap]) as n from mlv_stretches) using (id, n)
order by id, n
"""
_NUMBERS = """
select id, count(*) filter (not isfinite(value)), min(value) filter (isfinite(value)),
    max(value) filter (isfinite(value)), arg_max(value, seq)
from mlv_points group by id
"""
_MEANS = "select id, step, time, value from mlv_stretches where is_thinned order by id, stretch"
_TABLES = ("mlv_values", "mlv_series", "mlv_points", "mlv_stretches")


@dataclass
class Curve:
    """One metric of one stream of one experiment.

    Attributes:
        experiment: The experiment, as in the view `metrics`.
        stream, event, metric: What is drawn.
        count: How many values there are.
        bad: How many of them are not finite.
        low, high: The least and the greatest of those that are; None where none is.
        last: The value that was logged last.
        steps, times, values: The points that are kept, by step; a time is in seconds since 1970, and None is a value
            that is not finite.
        means: The same three for the mean of each stretch of points, None where every point is kept.
    """

    experiment: str
    stream: str
    event: str
    metric: str
    count: int
    bad: int = 0
    low: float | None = None
    high: float | None = None
    last: float | None = None
    steps: list[float] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    values: list[float | None] = field(default_factory=list)
    means: tuple[list[float], list[float], list[float | None]] | None = None


def curves(
    connection: duckdb.DuckDBPyConnection,
    where: str = "true",
    parameters: tuple[object, ...] = (),
    *,
    most: int,
    budget: int = 10_000_000,
) -> list[Curve]:
    """The curves of the view `metrics`, in the order of their names.

    A curve of more than twice *most* points is cut into *most* stretches of as many points each; of each stretch are
    kept the lowest and the highest, and the first that is not finite. *most* becomes less where all the curves would
    have more than *budget* points.

    Args:
        connection: As `mlv_tools.connect` gives it.
        where, parameters: Which rows of the view: a condition in SQL, and the values of its `?`.
        most, budget: Bounds, as above.
    """
    try:
        columns = "experiment, stream, event, name as metric, seq, step, time, value"
        values = f"create or replace temp table mlv_values as select {columns} from metrics where {where}"
        connection.execute(values, parameters)
        connection.execute(_SERIES)
        series = connection.execute(
            "select id, experiment, stream, event, metric, total from mlv_series order by id"
        ).fetchall()
        found = {id: Curve(*names) for id, *names in series}
        most = max(_FEWEST, min(most, budget // (2 * max(1, len(found)))))
        connection.execute(_POINTS)
        connection.execute(_STRETCHES, [most, most, most])
        for id, *point in connection.execute(_KEPT).fetchall():
            _add(found[id], *point)
        for id, *extent in connection.execute(_NUMBERS).fetchall():
            curve = found[id]
            curve.bad, curve.low, curve.high, curve.last = extent
        for id, step, time, value in connection.execute(_MEANS).fetchall():
            curve = found[id]
            curve.means = curve.means or ([], [], [])
            curve.means[0].append(step)
            curve.means[1].append(time)
            curve.means[2].append(value)
    finally:
        for name in _TABLES:
            connection.execute(f"drop table if exists {name}")
    return list(found.values())


def _add(curve: Curve, step: float, time: float, value: float) -> None:
    curve.steps.append(step)
    curve.times.append(time)
    curve.values.append(value if math.isfinite(value) else None)
