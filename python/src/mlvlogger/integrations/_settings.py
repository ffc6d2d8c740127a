"""For the adapters: a framework's settings as data of events, its metrics, and their directions."""

from __future__ import annotations

from .._format.convert import count_elements, free_name
from .._format.decode import decode
from .._format.encode import encode
from .._messages import warn_once
from .._metric_definition import definition
from .._secrets import redact

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .. import Exp

__all__ = ["define_direction", "put", "scalars", "settings"]


def settings(values: Any, name: str) -> Any:
    """Return *values* as `Exp` records `params`, for the member *name* of an event.

    Values that look like secrets are redacted, at any depth. Values that can't be encoded give a warning, as in every
    event.
    """
    return decode(redact(encode(values, path=f"data.{name}", depth=3, report=warn_once)))


def define_direction(exp: Exp, metric: str, is_higher_better: bool, event: str | None = None) -> None:
    """Define the direction of a metric as a framework reports it, unless the user of *exp* has defined it.

    The framework may report it many times.
    """
    given = definition(metric, event, "maximize" if is_higher_better else "minimize")
    exp.log._define(given, is_default=True)


def put(data: dict[str, Any], name: str, value: Any) -> None:
    """Add a member to *data*. If *name* is taken, warn, and use the first free name `name~2`, `name~3`, …."""
    if name in data:
        second = free_name(name, data, {})
        warn_once(f"data: two metrics have the name {name!r}. The second was recorded under the name {second!r}.")
        name = second
    data[name] = value


def scalars(values: Mapping[str, Any], step: int | None = None) -> dict[str, Any]:
    """Return the data of an event with the metrics that a framework passes on.

    Args:
        values: The metrics. An array or tensor of one element becomes its number.
        step: The step, or None. A metric with the name `step` gets another name next to it, with a warning.
    """
    data: dict[str, Any] = {} if step is None else {"step": step}
    for name, value in values.items():
        put(data, name, value.item() if _has_one_element(value) else value)
    if step is not None:
        data["step"] = data.pop("step")  # the last member
    return data


def _has_one_element(value: Any) -> bool:
    return hasattr(value, "item") and hasattr(value, "shape") and count_elements(value.shape) == 1
