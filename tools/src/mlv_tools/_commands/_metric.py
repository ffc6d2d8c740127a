"""Metrics as arguments: ``loss``, ``epoch/batch.loss``, ``epoch/batch.loss:min``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mlv_tools._commands._names import AmbiguousName, Name, UnknownName, resolve
from mlv_tools._display.names import metric_label
from mlv_tools._display.text import mean, printable
from mlvlogger import Experiment

__all__ = ["Metric", "find_metric", "find_series"]

_HOW = ("last", "min", "max", "first", "mean", "best")


@dataclass(frozen=True)
class Metric:
    """A metric, and which of its values is shown.

    Attributes:
        event: The name of the event.
        name: The name of the metric.
        how: The value of the series: last, min, max, first, mean or best. NaN is ignored for min, max and mean, and
            infinities too for best, which needs a direction.
    """

    event: str
    name: str
    how: str = "last"

    def __str__(self) -> str:
        series = metric_label(self.event, self.name)
        is_clear = ":" not in series or series.rpartition(":")[2] not in _HOW
        return series if self.how == "last" and is_clear else f"{series}:{self.how}"

    def values(self, experiment: Experiment) -> Sequence[float]:
        """Return all values in the default stream of an experiment that has the metric.

        Raises:
            MLVError: As `Experiment.metric`.
            OSError: As `Experiment.metric`.
        """
        if {"*", "?"} & set(self.event):  # `Experiment.metric` would take the name as a pattern
            events = (event.metrics for event in experiment.events() if event.name == self.event)
            return [metrics[self.name] for metrics in events if self.name in metrics]
        return experiment.metric(self.event, self.name, axis="step")[1]  # all values have a position on this axis

    def pick(self, values: Sequence[float], direction: str | None = None) -> float | None:
        """Return the value of a series that is shown, or None if there is none.

        Args:
            values: The series.
            direction: The direction that the experiment defines for the metric.
        """
        if self.how == "best":
            finite = [one for one in values if isinstance(one, int) or math.isfinite(one)]
            choose = {"minimize": min, "maximize": max}.get(direction or "")
            return choose(finite) if choose and finite else None
        if self.how in ("last", "first"):
            return values[-1 if self.how == "last" else 0] if values else None
        known = [one for one in values if one == one]
        if not known:
            return None
        return mean(known) if self.how == "mean" else {"min": min, "max": max}[self.how](known)


def find_series(text: str, known: Iterable[tuple[str, str]]) -> Metric:
    """Return the metric that ``[EVENT.]NAME`` means.

    Args:
        text: The name that was given. The event may be left out if only one event has the metric.
        known: The event and the name of each metric that there is.

    Raises:
        UnknownName: If there is no such metric.
        AmbiguousName: If several metrics are called so; the message lists them.
    """
    names: dict[Name, tuple[str, str]] = {}
    for event, name in known:
        label = metric_label(event, name)
        names[Name(label, label, (f"{event}.{name}", name))] = (event, name)
    return Metric(*names[resolve(text, names, "metric")])


def find_metric(text: str, known: Iterable[tuple[str, str]]) -> Metric:
    """Return the metric that ``[EVENT.]NAME[:HOW]`` means. The arguments and errors are those of `find_series`.

    To name a metric whose own name ends in one of these suffixes, append ``:last``. To name a value of another metric,
    although a metric has that spelling, quote the name: ``EVENT."NAME":HOW``.
    """
    known = list(known)
    series, colon, how = text.rpartition(":")
    try:
        found = find_series(series, known) if colon else None
    except UnknownName:
        found = None
    try:
        whole = find_series(text, known)
    except UnknownName:
        if found and how in _HOW:
            return Metric(found.event, found.name, how)
        if found:
            choices = ", ".join(f":{one}" for one in _HOW)
            raise UnknownName(
                f"{text!r} asks for an unknown value {how!r} of {found}. Choose one of: {choices}."
            ) from None
        raise
    if found and how in _HOW:
        quoted = metric_label(found.event, found.name, is_quoted=True)
        raise AmbiguousName(
            f"{text!r} is ambiguous. Choose one of: {printable(str(whole))}, {printable(f'{quoted}:{how}')}."
        )
    return whole
