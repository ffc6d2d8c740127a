"""Names of metrics as arguments: ``loss``, ``epoch/batch.loss``, ``epoch/batch.loss:min``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mlvlogger import Experiment

__all__ = ["Metric"]

_HOW = ("last", "min", "max", "first", "mean")


@dataclass(frozen=True)
class Metric:
    """A metric, and which of its values is shown.

    Attributes:
        event: The pattern of the event's name, as for `Experiment.events`; ``**`` is every event.
        name: The name of the metric.
        how: The value of the series: last, min, max, first or mean. NaN is ignored for min, max and mean.
    """

    event: str
    name: str
    how: str = "last"

    @classmethod
    def of(cls, text: str) -> Metric:
        """Parse ``[EVENT.]NAME[:HOW]``.

        Raises:
            ValueError: If *text* isn't the name of a metric. The message describes the syntax.
        """
        series, colon, how = text.rpartition(":")
        if not colon or how not in _HOW:
            series, how = text, "last"
        event, dot, name = series.rpartition(".")
        if not name or (dot and not event):
            raise ValueError(
                f"{text!r} isn't the name of a metric. Write NAME or EVENT.NAME, optionally with :min, :max, :first or"
                " :mean at the end."
            )
        return cls(event or "**", name, how)

    def __str__(self) -> str:
        series = self.name if self.event == "**" else f"{self.event}.{self.name}"
        return series if self.how == "last" else f"{series}:{self.how}"

    def values(self, experiment: Experiment) -> Sequence[float]:
        """Return all values in the default stream of an experiment.

        Raises:
            MLVError: As `Experiment.metric`.
            OSError: As `Experiment.metric`.
        """
        return experiment.metric(self.event, self.name)[1]

    def pick(self, values: Sequence[float]) -> float | None:
        """Return the value of a series that is shown, or None if there is none."""
        if self.how in ("last", "first"):
            return values[-1 if self.how == "last" else 0] if values else None
        known = [one for one in values if not math.isnan(one)]
        if not known:
            return None
        return math.fsum(known) / len(known) if self.how == "mean" else {"min": min, "max": max}[self.how](known)
