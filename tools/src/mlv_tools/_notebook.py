"""A list of experiments, which a notebook shows as a table."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from mlv_tools._display.names import differing, flatten, metric_label
from mlv_tools._display.values import display, shorten
from mlv_tools._reading.trees import Found, find
from mlv_tools._sql.rows import experiment_name
from mlv_tools._sql.rules import IS_DEFAULT_STREAM
from mlv_tools._sql.views import connect

if TYPE_CHECKING:
    from mlvlogger import Experiment

__all__ = ["Experiments", "experiments"]

_ROWS = 100  # experiments in the table
_COLUMNS = 8  # of parameters, and as many of metrics
_BROKEN = 8  # messages about experiments that couldn't be read
_FACTS = ("experiment", "kind", "state")  # columns
_MAX_CELL = 60  # characters
_UNITS = f"""
    select event, name, list_distinct(list(coalesce(unit, ''))) from
        (select distinct experiment, stream, event, name from metrics where {IS_DEFAULT_STREAM})
        left join definitions using (experiment, stream, event, name)
    group by all
"""  # of a metric, with '' if an experiment has none
_OTHERS = f"select distinct stream, event, name from metrics where not {IS_DEFAULT_STREAM}"


class Experiments(list["Experiment"]):
    """The experiments of a directory, in the order of their paths; in a notebook, a table of the differences.

    Attributes:
        root (Path): The directory.
        broken (list[tuple[str, str]]): The path of each experiment that couldn't be read, and why.
    """

    def __init__(self, root: str | os.PathLike[str], found: Iterable[Found]) -> None:
        found = list(found)
        super().__init__(one.experiment for one in found if one.experiment)
        self.root = Path(root)
        self.broken = [(one.path, one.error) for one in found if not one.experiment]

    def _repr_html_(self) -> str:
        """Return a table of the first experiments: state, parameters that differ, and the last value of each metric.

        A metric that has one unit in all experiments has it in its title.
        """
        rows = self[:_ROWS]
        params = [dict(flatten(experiment.params)) for experiment in rows]
        differ = differing(params)
        names = differ[:_COLUMNS]
        states, last, units, others, problems = self._query()
        known = list(dict.fromkeys(name for one in last.values() for name in one))
        metrics = known[:_COLUMNS]
        head = _titles(names, metrics, units)
        body: list[list[object]] = []
        for experiment, own in zip(rows, params, strict=True):
            key = experiment_name(self.root, experiment.path)
            values = [last.get(key, {}).get(name, "") for name in metrics]
            state = states.get(key) or "unknown"
            body.append(
                [key, experiment.kind, state, *(display(own[name]) if name in own else "" for name in names), *values]
            )
        parts = [f"<b>{_count(len(self), 'experiment')} in {_cell(self.root)}</b>", _table(head, body)]
        if len(self) > _ROWS:
            parts.append(f"<div><i>{len(self) - _ROWS} more are not shown.</i></div>")
        hidden = [
            (len(differ) - len(names), "parameters that differ"),
            (len(known) - len(metrics), "metrics"),
            (others, "metrics of other streams"),
        ]
        if left_out := ", ".join(f"{count} {what}" for count, what in hidden if count):
            parts.append(f"<div><i>not shown: {left_out}</i></div>")
        parts += [f"<div><i>broken: {escape(shorten(error, 300))}</i></div>" for _, error in self.broken[:_BROKEN]]
        if len(self.broken) > _BROKEN:
            parts.append(f"<div><i>{len(self.broken) - _BROKEN} more are broken.</i></div>")
        parts += [f"<div><i>{escape(shorten(message, 300))}</i></div>" for message in problems]
        return f"<div>{''.join(parts)}</div>"

    def _query(self) -> tuple[dict[str, str], dict[str, dict[str, float]], dict[str, str], int, list[str]]:
        """Return states, last values and units of metrics of default streams, the number of others, and warnings."""
        query = f"""
            select experiment, event, name, arg_max(value, seq) from metrics
            where {IS_DEFAULT_STREAM} group by all order by min(seq), event, name
        """
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            connection = connect(self.root)
        last: dict[str, dict[str, float]] = {}
        with connection:
            states = dict(connection.execute("select experiment, state from experiments").fetchall())
            others = connection.execute(_OTHERS).fetchall()
            units = {
                metric_label(event, name): found[0]
                for event, name, found in connection.execute(_UNITS).fetchall()
                if len(found) == 1 and found[0]
            }
            for experiment, event, name, value in connection.execute(query).fetchall():
                last.setdefault(experiment, {})[metric_label(event, name)] = value
        return states, last, units, len(others), [str(warning.message) for warning in caught]


def experiments(root: str | os.PathLike[str]) -> Experiments:
    """Read the experiments in and below a directory, sub-experiments included.

    Args:
        root: The directory.

    Raises:
        FileNotFoundError: If the directory does not exist.
        NotADirectoryError: If `root` isn't a directory.
    """
    return Experiments(root, find(root))


def _titles(params: list[str], metrics: list[str], units: dict[str, str]) -> list[str]:
    """Return the titles of the columns: a name that could mean another column, too, has a prefix, as in `mlv ls`.

    Args:
        params: The names of parameters.
        metrics: The names of metrics.
        units: The units of metrics that have one unit in all experiments.
    """

    def title(prefix: str, name: str, others: Iterable[str]) -> str:
        return f"{prefix}.{name}" if name in others or name.startswith(("params.", "metrics.")) else name

    others = {*_FACTS, *params}
    return [
        *_FACTS,
        *(title("params", name, _FACTS) for name in params),
        *(title("metrics", name, others) + (f" ({units[name]})" if name in units else "") for name in metrics),
    ]


def _table(head: list[str], body: list[list[object]]) -> str:
    row = "".join(f"<th>{_cell(name)}</th>" for name in head)
    rows = "".join(f"<tr>{''.join(f'<td>{_cell(value)}</td>' for value in values)}</tr>" for values in body)
    return f"<table><thead><tr>{row}</tr></thead><tbody>{rows}</tbody></table>"


def _cell(value: object) -> str:
    return escape(shorten(f"{value:.6g}" if isinstance(value, float) else value, _MAX_CELL))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
