"""Downsampled curves that look like the whole: each stretch of points keeps its lowest and its highest point.

The database downsamples, so that some hundreds of points of each curve are transferred instead of millions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

__all__ = ["Curve", "curves"]

_FEWEST = 20  # stretches of a curve, however many curves there are

# Numbers instead of four names make the other queries three times as fast.
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
# A short curve has a stretch for each point. If the sum of a stretch is beyond all floats, its mean isn't: the values
# are scaled by a power of 2, and the mean is between the lowest and the highest of them.
_STRETCHES = """
create or replace temp table mlv_stretches as
select id, if(total <= 2 * ?, n, n * ? // total) as stretch, total > 2 * ? as is_thinned,
    arg_min(n, value) filter (isfinite(value)) as low,
    arg_max(n, value) filter (isfinite(value)) as high,
    min(n) filter (not isfinite(value)) as gap,
    avg(step) as step, avg(time) as time, avg(value) filter (isfinite(value)) as mean,
    min(value) filter (isfinite(value)) as lowest, max(value) filter (isfinite(value)) as highest,
    if(isfinite(mean), mean,
        least(highest, greatest(lowest, avg(value / 2**64) filter (isfinite(value)) * 2**64))) as value
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
# On another axis than `step`, a value is at the value of the metric of that name in its event, if the event has one.
_AXES = """
create or replace temp table mlv_axes as
select experiment, stream, event, name, coalesce(axis, 'step') as axis, coalesce(unit, '') as unit from definitions
"""
_POSITIONED = """
create or replace temp table mlv_positioned as
select * exclude (step, axis, unit, position), coalesce(axis, 'step') as axis, coalesce(unit, '') as unit,
    if(coalesce(axis, 'step') = 'step', step, position) as step
from (select * from metrics where {where}) left join mlv_axes using (experiment, stream, event, name)
left join (
    select experiment, stream, seq, name as axis, any_value(value) as position
    from metrics where isfinite(value) and name in (select axis from mlv_axes) group by all
) using (experiment, stream, seq, axis)
"""
_LEFT_OUT = """
select experiment, stream, event, name, any_value(axis), any_value(unit), count(*) filter (step is null)
from mlv_positioned group by all
"""
_TABLES = ("mlv_axes", "mlv_positioned", "mlv_values", "mlv_series", "mlv_points", "mlv_stretches")


@dataclass
class Curve:
    """One metric of one stream of one experiment.

    Attributes:
        experiment: The experiment, as in the view `metrics`.
        stream: The stream.
        event: The name of the event.
        metric: The name of the metric.
        count: The number of values.
        bad: The number of values that aren't finite.
        low: The smallest finite value, or None.
        high: The largest finite value, or None.
        last: The value that was logged last.
        axis: The axis of the positions: `step`, or the one that the definition of the metric names.
        unit: The unit of the values, or "".
        left_out: The number of values that have no position on the axis. They aren't counted anywhere else.
        steps: The positions of the points that are kept, in order.
        times: Their times, in seconds since 1970.
        values: Their values; None is a value that isn't finite.
        means: Positions, times and values of the means of all stretches, or None if every point is kept.
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
    axis: str = "step"
    unit: str = ""
    left_out: int = 0
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
    by_axis: bool = True,
) -> list[Curve]:
    """Return the curves of the view `metrics`, in the order of their names. A curve has at least one position.

    A curve of more than twice *most* points is cut into *most* stretches with equal numbers of points. A stretch keeps
    its lowest and its highest point, and the first point that isn't finite.

    Args:
        connection: A connection that `mlv_tools.connect` returned.
        where: A condition in SQL that selects rows of the view. Default: all rows.
        parameters: The values for each `?` in the condition.
        most: The largest number of stretches of a curve.
        budget: The largest number of points of all curves together: *most* is reduced if they would have more.
        by_axis: Whether the positions are those on the axis that the metric defines; otherwise, they are steps.
    """
    try:
        facts = _load_values(connection, where, parameters, by_axis)
        connection.execute(_SERIES)
        series = connection.execute(
            "select id, experiment, stream, event, metric, total from mlv_series order by id"
        ).fetchall()
        found = {id: Curve(*names) for id, *names in series}
        for curve in found.values():
            names = curve.experiment, curve.stream, curve.event, curve.metric
            curve.axis, curve.unit, curve.left_out = facts.get(names, ("step", "", 0))
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


def _load_values(
    connection: duckdb.DuckDBPyConnection, where: str, parameters: tuple[object, ...], by_axis: bool
) -> dict[tuple[str, ...], tuple[str, str, int]]:
    """Create the table of the values, and return axis, unit and `left_out` of the series by their names."""
    columns = "experiment, stream, event, name as metric, seq, step, time, value"
    values = f"create or replace temp table mlv_values as select {columns} from"
    connection.execute(_AXES)
    if not by_axis:
        connection.execute("update mlv_axes set axis = 'step'")
    if not connection.execute("from mlv_axes limit 1").fetchall():  # most logs define nothing, and joins take time
        connection.execute(f"{values} metrics where {where}", parameters)
        return {}
    connection.execute(_POSITIONED.format(where=where), parameters)
    connection.execute(f"{values} mlv_positioned where step is not null")
    return {tuple(row[:4]): (row[4], row[5], row[6]) for row in connection.execute(_LEFT_OUT).fetchall()}


def _add(curve: Curve, step: float, time: float, value: float) -> None:
    curve.steps.append(step)
    curve.times.append(time)
    curve.values.append(value if math.isfinite(value) else None)
