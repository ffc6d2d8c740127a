"""The columns of `mlv ls`: which there are, what they are called, and which of them an argument means."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mlv_tools._commands._filter import Condition
from mlv_tools._commands._metric import Metric, find_metric
from mlv_tools._commands._names import AmbiguousName, Name, UnknownName, resolve
from mlv_tools._display.names import joined, metric_label

__all__ = ["FIXED", "LAST_EVENT", "TEXT", "Columns"]

#: The columns that every row has.
FIXED = ("name", "kind", "state", "last", "tags", "trouble")
TEXT = ("name", "kind", "state", "tags", "trouble")  # the columns in which a number is text
LAST_EVENT = "last event"  # the title of the column `last` in a table

_PREFIXES = ("params.", "metrics.")
_LIST = re.compile(r'((?:[^,"]|"(?:[^"\\]|\\.)*"|")*),', re.DOTALL)  # names, each with a comma after it


class Columns:
    """The columns of a table. A column is identified by its full name: ``name``, ``params.lr``, ``metrics.train.loss``.

    In a table, a column has its short name, such as ``lr`` and ``train.loss``, unless another column has it, or it
    looks like a full name.

    Args:
        params: The names of all parameters.
        metrics: The event and the name of each metric.

    Attributes:
        named: The metrics that were named so far, by their columns.
    """

    def __init__(self, params: Iterable[str], metrics: Iterable[tuple[str, str]] = ()) -> None:
        self.named: dict[str, Metric] = {}
        self._params = [Name(f"params.{name}", name, (joined(name),)) for name in params]
        self._own = [*(Name(name, name) for name in FIXED), *self._params]
        self._metrics = list(metrics)

    def params(self, text: str) -> list[str]:
        """Return the columns of the parameters that *text* names, with commas between the names.

        The name of a group of nested parameters means all parameters in it, also if it is a parameter of other
        experiments.

        Raises:
            UnknownName: If there is no such parameter.
            AmbiguousName: If several parameters are called so.
        """
        try:
            return self._param(text)
        except UnknownName:
            return [column for name in _LIST.findall(f"{text},") for column in self._param(name.strip())]

    def _param(self, text: str) -> list[str]:
        group = [name.full for name in self._params if name.short.startswith(f"{text}.")]
        try:
            return [resolve(text, self._params, "parameter").full, *group]
        except UnknownName:
            if not group:
                raise
            return group

    def metric(self, text: str) -> str:
        """Return the column of the metric that *text* names. The errors are those of `find_metric`."""
        return self._named(find_metric(self._series(text), self._metrics))

    def _named(self, metric: Metric) -> str:
        column = f"metrics.{metric}"
        self.named[column] = metric
        return column

    def _series(self, text: str) -> str:
        """Return *text* without `metrics.`, unless that is the beginning of the name of an event."""
        labels = {metric_label(event, name) for event, name in self._metrics}
        series = text.removeprefix("metrics.")
        is_event = not {series, series.rpartition(":")[0]} & labels and {text, text.rpartition(":")[0]} & labels
        return text if is_event else series

    def is_own(self, text: str) -> bool:
        """Return whether *text* is the name of a column that no metric has."""
        is_short = not text.startswith(_PREFIXES)
        return any(text == name.full or (is_short and text == name.short) for name in self._own)

    def find(self, text: str) -> str:
        """Return the column that *text* names.

        Raises:
            UnknownName: If there is no such column.
            AmbiguousName: If several columns are called so.
        """
        metrics = {}
        for event, name in self._metrics:
            label = metric_label(event, name)
            metrics[Name(f"metrics.{label}", label, (f"{event}.{name}", name))] = Metric(event, name)
        series = joined(text.rpartition(":")[0])
        if not self.is_own(text) and any(series in (one.full, one.short, *one.others) for one in metrics):
            return self.metric(text)
        found = resolve(text, [*self._own, *metrics], "column")
        return found.full if found in self._own else self._named(metrics[found])

    def condition(self, text: str, readings: Iterable[tuple[str, str, str]]) -> tuple[str, Condition]:
        """Return the column and the condition that *text* means.

        Args:
            text: The condition, for the message.
            readings: What it may mean, as `parts` returns it: a name may have an operator in it.

        Raises:
            UnknownName: If there is no such column.
            AmbiguousName: If several columns are meant.
        """
        found, errors = [], []
        for name, operator, value in readings:
            try:
                column = self.find(name)
            except UnknownName as error:
                errors.append(error)
            else:
                found.append((column, Condition(operator, value, is_text=column in TEXT)))
        if len(found) > 1:
            raise AmbiguousName(f"{text!r} is ambiguous. Write the column in double quotes: '\"COLUMN\" = VALUE'.")
        if not found:
            raise errors[0]
        return found[0]

    def title(self, column: str) -> str:
        """Return the name of a column in a table."""
        short = re.sub(r"\A(params|metrics)\.", "", column)
        known = [name.full for name in self._own if short in (name.full, name.short)]
        is_clear = known[:1] in ([], [column]) and not short.startswith(_PREFIXES) and short != LAST_EVENT
        return short if is_clear else column
