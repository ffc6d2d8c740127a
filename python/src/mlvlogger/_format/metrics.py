"""The metrics in an event's data, and their step (specification 1.0, chapter Events)."""

from __future__ import annotations

from .json import integer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeGuard

__all__ = ["is_metric", "metrics", "position", "step"]

_INT64 = 2**63


def metrics(data: dict[str, Any]) -> dict[str, float]:
    """Return the metrics among the members of an event's decoded *data*, by name."""
    # `is_metric` isn't called: one call for each member would double the time.
    return {
        name: value
        for name, value in data.items()
        if isinstance(value, (float, int)) and not isinstance(value, bool) and name != "step"
    }


def is_metric(value: Any) -> TypeGuard[float]:
    """Return whether a decoded member of data is the value of a metric: a float or an integer, but not a boolean."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def step(data: dict[str, Any]) -> int | None:
    """Return the step of an event with this decoded *data*: its `step` if that is an integer of 64 bits, or None."""
    value = integer(data.get("step"))
    return value if value is not None and -_INT64 <= value < _INT64 else None


def position(data: dict[str, Any], axis: str) -> float | None:
    """Return the position of the metrics of an event with this decoded *data* on an axis, or None if there is none."""
    if axis == "step":
        return step(data)
    value = data.get(axis)
    return value if is_metric(value) and value - value == 0 else None  # infinities and NaN give NaN
