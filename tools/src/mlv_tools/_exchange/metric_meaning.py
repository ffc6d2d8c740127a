"""What a metric means, as text for formats that have a description of it, but no direction."""

from __future__ import annotations

from mlv_tools._display.text import encodable
from mlvlogger import MetricDefinition

__all__ = ["meaning"]

_BETTER = {"minimize": "lower is better", "maximize": "higher is better"}


def meaning(definition: MetricDefinition | None, *, has_unit: bool = True) -> str:
    """Return description, unit and direction of a metric, such as ``cross entropy; unit: nat; lower is better``.

    Args:
        definition: The definition; without one, the text is empty.
        has_unit: Whether the text has the unit.
    """
    if definition is None:
        return ""
    unit = f"unit: {definition.unit}" if definition.unit and has_unit else None
    parts = (definition.description, unit, _BETTER.get(definition.direction or ""))
    return encodable("; ".join(part for part in parts if part))
