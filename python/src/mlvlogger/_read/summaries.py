"""Summaries of metrics: how many values there are, the first, last, least, greatest and best one."""

from __future__ import annotations

import math

from .._format.immutable import Immutable
from .._format.metrics import position

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .._format.metric_definition import MetricDefinitions
    from .events import Event

__all__ = ["MetricSummary", "summaries"]


class MetricSummary(Immutable):
    """The summary of a metric in one stream.

    Args:
        event: The name of the events.
        metric: The name of the metric.
        count: The number of values, NaN and infinities included.
        first: The first value.
        last: The last value.
        minimum: The least value that isn't NaN; None if there is none.
        maximum: The greatest value that isn't NaN; None if there is none.
        best: The best finite value, the least or the greatest as the direction says; None without a direction, or if
            no value is finite (`reader.best-value`).
        best_at: The position of the best value, as `Experiment.metric` gives it, such as its step; None if there is no
            best value, or if its event has no position on the axis.
        direction: `"minimize"` or `"maximize"`, as the metric is defined; None if no direction is.
        unit: The unit, as the metric is defined; None if no unit is.
    """

    __slots__ = __match_args__ = (
        "event",
        "metric",
        "count",
        "first",
        "last",
        "minimum",
        "maximum",
        "best",
        "best_at",
        "direction",
        "unit",
    )

    event: str
    metric: str
    count: int
    first: float
    last: float
    minimum: float | None
    maximum: float | None
    best: float | None
    best_at: float | None
    direction: str | None
    unit: str | None

    def __init__(
        self,
        event: str,
        metric: str,
        count: int,
        first: float,
        last: float,
        minimum: float | None,
        maximum: float | None,
        best: float | None,
        best_at: float | None,
        direction: str | None,
        unit: str | None,
    ) -> None:
        self._set(event, metric, count, first, last, minimum, maximum, best, best_at, direction, unit)


class _Values:
    """The values of one metric that were found so far."""

    __slots__ = ("best", "best_at", "count", "first", "last", "maximum", "minimum")

    def __init__(self, first: float) -> None:
        self.count = 0
        self.first = self.last = first
        self.minimum: float | None = None
        self.maximum: float | None = None
        self.best: float | None = None
        self.best_at: float | None = None


def summaries(events: Iterable[Event], definitions: MetricDefinitions) -> list[MetricSummary]:
    """Return a summary of each metric of *events*, in the order of their first values.

    Args:
        events: Events of one stream, in order.
        definitions: The definitions that hold in the stream.
    """
    found: dict[tuple[str, str], _Values] = {}
    facts: dict[tuple[str, str], tuple[str | None, str | None, str | None]] = {}
    for event in events:
        for name, value in event.metrics.items():
            key = event.name, name
            if key not in found:
                found[key] = _Values(value)
                defined = definitions.of(*key)
                facts[key] = (defined.direction, defined.unit, defined.axis) if defined else (None, None, None)
            values = found[key]
            values.count += 1
            values.last = value
            if value != value:  # NaN
                continue
            if values.minimum is None or value < values.minimum:
                values.minimum = value
            if values.maximum is None or value > values.maximum:
                values.maximum = value
            direction, _, axis = facts[key]
            if direction is None or (isinstance(value, float) and not math.isfinite(value)):
                continue
            best = values.best
            if best is None or (value < best if direction == "minimize" else value > best):
                at = position(event.data, axis or "step")
                values.best, values.best_at = value, values.count - 1 if at is None and axis in (None, "step") else at
    return [
        MetricSummary(
            *key,
            values.count,
            values.first,
            values.last,
            values.minimum,
            values.maximum,
            values.best,
            values.best_at,
            *facts[key][:2],
        )
        for key, values in found.items()
    ]
