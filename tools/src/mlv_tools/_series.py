"""Naming a metric of many experiments: ``loss``, ``epoch/batch.loss``, ``epoch/batch.loss:min``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mlvlogger import Experiment

__all__ = ["Metric"]

_HOW = ("last", "min", "max", "first", "mean")


@dataclass(frozen=True)
class Metric:
    """A metric, and what is shown of it.

    Attributes:
        event: The pattern of the event's name, as for `Experiment.events`; ``**`` is every event.
        name: The member of the event's data.
        how: Which value of the series: last, min, max, first or mean. NaN counts for last and first alone.
    """

    event: str
    name: str
    how: str = "last"

    @classmethod
    def of(cls, text: str) -> Metric:
        """Parse a metric: ``[EVENT.]NAME[:HOW]``. Raises ValueError, which describes the syntax."""
        series, colon, how = text.rpartition(":")
        if not colon or how not in _HOW:
            series, how = text, "last"
        event, dot, name = series.rpartition(".")
        if not name or (dot and not event):
            raise ValueError(f"{text!r} names no metric: write NAME or EVENT.NAME, and perhaps :min, :max, … after it")
        return cls(event or "**", name, how)

    def __str__(self) -> str:
        series = self.name if self.event == "**" else f"{self.event}.{self.name}"
        return series if self.how == "last" else f"{series}:{self.how}"

    def values(self, experiment: Experiment) -> Sequence[float]:
        """The whole series of an experiment's default stream. Raises what reading raises."""
        return experiment.metric(self.event, self.name)[1]

    def pick(self, values: Sequence[float]) -> float | None:
        """The one value of a series that is shown, None where there is none."""
        if self.how in ("last", "first"):
            return values[-1 if self.how == "last" else 0] if values else None
        known = [one for one in values if not math.isnan(one)]
        if not known:
            return None
        return math.fsum(known) / len(known) if self.how == "mean" else {"min": min, "max": max}[self.how](known)
