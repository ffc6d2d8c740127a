"""Definitions of metrics: the data of `mlv/metric`, and which definition holds (specification 1.0, chapter Events)."""

from __future__ import annotations

from .event_name import is_event_name
from .immutable import Immutable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

__all__ = ["DIRECTIONS", "METRIC", "MetricDefinition", "MetricDefinitions", "is_definition"]

METRIC = b'"mlv/metric"'  # the name of the event, as JSON text
DIRECTIONS = ("minimize", "maximize")


def is_definition(data: dict[str, Any]) -> bool:
    """Return whether the data of an `mlv/metric`, as Python values, has the form that `metric.data` requires."""
    metric, event, axis = data.get("metric"), data.get("event", "e"), data.get("axis", "step")
    texts = (metric, event, axis, data.get("unit", ""), data.get("description", ""))
    if not all(isinstance(text, str) for text in texts) or not metric or not axis:
        return False
    return is_event_name(event) and data.get("direction", DIRECTIONS[0]) in DIRECTIONS


class MetricDefinition(Immutable):
    """The definition of a metric, as `Exp.define_metric` records it. A fact that isn't recorded is None.

    Args:
        metric: The name of the metric.
        event: The name of the events, or None for all events that have the metric.
        direction: `"minimize"` if lower values are better, `"maximize"` if higher values are better.
        unit: The unit of the values, such as `s`.
        description: The meaning, for people.
        axis: The name of the member of the data that gives the positions of the values, or None for `step`.
    """

    __slots__ = __match_args__ = ("metric", "event", "direction", "unit", "description", "axis")

    metric: str
    event: str | None
    direction: str | None
    unit: str | None
    description: str | None
    axis: str | None

    def __init__(
        self,
        metric: str,
        event: str | None = None,
        direction: str | None = None,
        unit: str | None = None,
        description: str | None = None,
        axis: str | None = None,
    ) -> None:
        self._set(metric, event, direction, unit, description, axis)


class MetricDefinitions:
    """The definitions of metrics that hold in one stream: its own, and those of `log.jsonl`.

    `Experiment.metric_definitions` returns them. Iterating gives the definitions from which `of` chooses: first the
    stream's own.

    Example:
        ```python
        from mlvlogger import Exp, read

        with Exp("runs", "my_exp_1") as exp:
            exp.define_metric("loss", direction="minimize", unit="nat")
            exp.log.event("validation", step=0, loss=0.5)

        print(read("runs/my_exp_1").metric_definitions().of("validation", "loss").direction)
        ```

        ```text
        minimize
        ```
    """

    def __init__(self) -> None:
        self._own: dict[tuple[str, str | None], MetricDefinition] = {}
        self._default: dict[tuple[str, str | None], MetricDefinition] = {}

    def __iter__(self) -> Iterator[MetricDefinition]:
        yield from self._own.values()
        yield from (found for key, found in self._default.items() if key not in self._own)

    def __bool__(self) -> bool:
        return bool(self._own or self._default)

    def of(self, event: str, metric: str) -> MetricDefinition | None:
        """Return the definition of a metric in events of one name, or None (`reader.definition`).

        Args:
            event: The name of the events.
            metric: The name of the metric.
        """
        for name in (event, None):
            for definitions in (self._own, self._default):
                if (metric, name) in definitions:
                    return definitions[metric, name]
        return None

    def add(self, data: dict[str, Any], *, is_default: bool = False) -> None:
        """Add the definition of an `mlv/metric`; it replaces an earlier one of the metric and event.

        Data that breaks `metric.data` defines nothing.

        Args:
            data: The data of the event.
            is_default: Whether the event is in `log.jsonl`, while these definitions are for another stream.
        """
        if is_definition(data):
            found = MetricDefinition(*map(data.get, MetricDefinition.__match_args__))  # type: ignore[arg-type]
            definitions = self._default if is_default else self._own
            definitions[found.metric, found.event] = found
