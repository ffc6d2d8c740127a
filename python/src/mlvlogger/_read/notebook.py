"""The HTML of an experiment in a notebook: facts, parameters, and a small curve of each metric as SVG.

Every string of the log is escaped. The HTML has no script, no style sheet and no address. Parameters and metrics have
the names that the command `mlv` gives them, such as `optimizer.lr`; a test of `mlv_tools` compares them.
"""

from __future__ import annotations

import json
import math
from html import escape
from itertools import islice

from .._errors import MLVError
from .._format.names import DEFAULT_STREAM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from .events import Event
    from .experiment import Experiment

__all__ = ["experiment_html"]

_MAX_EVENTS = 200_000  # of a stream, for the curves: to read them takes about a second
_MAX_PROBLEMS = 5

_WIDTH, _HEIGHT = 160, 28  # of a curve, in pixels
_MAX_METRICS = 20  # rows of the table of metrics
_MAX_LENGTH = 200  # characters of a string

_LEFT = 'style="text-align:left;vertical-align:top"'


class Spark:
    """A sparkline in bounded memory: the minimum and the maximum of each bin of consecutive values.

    If there are more than two bins for each pixel, neighboring bins are merged.

    Attributes:
        count: The number of values.
        bad: The number of values that aren't finite.
        last: The last value.
    """

    def __init__(self) -> None:
        self.count = 0
        self.bad = 0
        self.last: float = math.nan
        self._length = 1  # values in a bin
        self._bins: list[tuple[float, float] | None] = []  # minimum and maximum; None without a finite value

    def add(self, value: float) -> None:
        """Append a value."""
        finite = math.isfinite(value)
        if self.count % self._length == 0:
            if len(self._bins) == 2 * _WIDTH:
                self._bins = [_merged(*self._bins[i : i + 2]) for i in range(0, 2 * _WIDTH, 2)]
                self._length *= 2
            self._bins.append((value, value) if finite else None)
        elif finite:
            self._bins[-1] = _merged(self._bins[-1], (value, value))
        self.count += 1
        self.bad += not finite
        self.last = value

    @property
    def range(self) -> tuple[float, float] | None:
        """The minimum and the maximum of all finite values, or None if there are none."""
        whole = None
        for one in self._bins:
            whole = _merged(whole, one)
        return whole

    def svg(self) -> str:
        """Return the curve as an SVG element, with a gap for a bin without a finite value.

        The result is empty if there are fewer than two values, or none is finite.
        """
        whole = self.range
        if whole is None or self.count < 2:
            return ""
        # Halves, because the difference of two floats may be infinite.
        low, span = whole[0] / 2, (whole[1] / 2 - whole[0] / 2) or 1.0
        path, pen = [], "M"
        for i, one in enumerate(self._bins):
            if one is None:
                pen = "M"
                continue
            x = 1 + i * (_WIDTH - 2) / max(1, len(self._bins) - 1)
            for value in dict.fromkeys(one):
                y = _HEIGHT - 2 - (value / 2 - low) / span * (_HEIGHT - 4)
                path.append(f"{pen}{x:.1f} {y:.1f}")
                pen = "L"
        return (
            f'<svg width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">'
            f'<path d="{"".join(path)}" fill="none" stroke="#4269d0" stroke-width="1.4" stroke-linecap="round"/></svg>'
        )


def _merged(a: tuple[float, float] | None, b: tuple[float, float] | None = None) -> tuple[float, float] | None:
    """Return two bins as one."""
    if a is None or b is None:
        return a or b
    return min(a[0], b[0]), max(a[1], b[1])


def experiment_html(experiment: Experiment) -> str:
    """Return the HTML of an experiment: its facts, parameters and metrics, and notes about missing parts."""
    facts: dict[str, Any] = {"directory": str(experiment.path), "kind": experiment.kind, "id": experiment.id}
    facts["tags"] = ", ".join(map(str, experiment.tags))
    facts["created"] = f"{experiment.created:%Y-%m-%d %H:%M:%S} UTC" if experiment.created else None
    facts["description"] = "\n".join(map(str, experiment.descriptions))
    found: dict[tuple[str, str, str], Spark] = {}
    units: dict[tuple[str, str, str], str] = {}
    notes = []
    try:
        facts["state"] = experiment.state
        for stream in experiment.streams:
            events = experiment.events(stream=stream)
            sparks(islice(events, _MAX_EVENTS), found)
            if next(events, None):
                notes.append(f"Of {stream} only the first {_MAX_EVENTS} events were read for this.")
            definitions = experiment.metric_definitions(stream=stream)
            for names in (one for one in found if one[0] == stream):
                if (definition := definitions.of(*names[1:])) and definition.unit:
                    units[names] = definition.unit
    except (MLVError, OSError) as error:
        notes.append(str(error))
    notes += map(str, experiment.problems[:_MAX_PROBLEMS])
    if len(experiment.problems) > _MAX_PROBLEMS:
        notes.append(f"{len(experiment.problems) - _MAX_PROBLEMS} more problems are left out.")
    notes += map(str, experiment.torn.values())
    return card(experiment.name, facts, experiment.params, found, units, notes)


def sparks(events: Iterable[Event], found: dict[tuple[str, str, str], Spark]) -> None:
    """Add the metrics of events to *found*, by stream, event and name: the text of two of them may be the same."""
    for event in events:
        for name, value in event.metrics.items():
            try:
                number = float(value)
            except OverflowError:
                number = math.inf if value > 0 else -math.inf
            found.setdefault((event.stream, event.name, name), Spark()).add(number)


def card(
    title: str,
    facts: dict[str, Any],
    params: dict[str, Any],
    found: dict[tuple[str, str, str], Spark],
    units: dict[tuple[str, str, str], str],
    notes: list[str],
) -> str:
    """Return the HTML for an experiment.

    Args:
        title: The name of the experiment.
        facts: The rows above the parameters; empty values are skipped.
        params: The parameters.
        found: The metrics by stream, event and name.
        units: The units of those that are defined with one.
        notes: Lines below the tables.
    """
    rows = [_row(name, value) for name, value in facts.items() if value not in (None, "", [])]
    parts = [f"<b>{_escaped(title)}</b>", _table(rows)]
    if params:
        parts += [_fold("Parameters", _table(_row(name, value) for name, value in _flat(params)))]
    if found:
        heads = ("metric", "last", "least", "greatest", "values", "")
        head = f"<tr>{''.join(f'<th {_LEFT}>{name}</th>' for name in heads)}</tr>"
        rows = [_spark_row(names, spark, units.get(names)) for names, spark in islice(found.items(), _MAX_METRICS)]
        parts += [_fold("Metrics", _table([head, *rows]))]
        if len(found) > _MAX_METRICS:
            notes = [*notes, f"{len(found) - _MAX_METRICS} more metrics are left out."]
    return f"<div>{''.join(parts)}{''.join(f'<div><i>{_escaped(note)}</i></div>' for note in notes)}</div>"


def _fold(title: str, content: str) -> str:
    return f"<details open><summary>{title}</summary>{content}</details>"


def _table(rows: Iterable[str]) -> str:
    return f"<table>{''.join(rows)}</table>"


def _row(name: str, value: Any) -> str:
    return f"<tr><th {_LEFT}>{_escaped(name)}</th><td {_LEFT}>{_escaped(value)}</td></tr>"


def _flat(tree: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the values of nested dicts with their names. An empty dict is a value, too."""
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            for below, item in _flat(value):
                yield f"{_part(key)}.{below}", item
        else:
            yield _part(key), value


def _part(text: str) -> str:
    """Return a part of a name, as a JSON string if it could be misread."""
    return text if text and text.isprintable() and not {".", '"'} & set(text) else json.dumps(text)


def _metric_label(event: str, name: str) -> str:
    is_clear = name.isprintable() and name and not name.startswith('"')
    return f"{_part(event)}.{name if is_clear else json.dumps(name)}"


def _spark_row(names: tuple[str, str, str], spark: Spark, unit: str | None) -> str:
    stream, event, metric = names
    name = _metric_label(event, metric) + (f" ({unit})" if unit else "")
    name += "" if stream == DEFAULT_STREAM else f" ({stream})"
    low, high = spark.range or (math.nan, math.nan)
    count = f"{spark.count}" + (f", {spark.bad} not finite" if spark.bad else "")
    cells = [_escaped(name), *(f"{number:.6g}" for number in (spark.last, low, high)), count, spark.svg()]
    return f"<tr>{''.join(f'<td {_LEFT}>{cell}</td>' for cell in cells)}</tr>"


def _escaped(value: object) -> str:
    """Return a value as a short, escaped string, with escape sequences for control characters and lone surrogates."""
    line = value if isinstance(value, str) else repr(value)
    line = line if len(line) <= _MAX_LENGTH else line[: _MAX_LENGTH - 1] + "…"
    visible = (char if char.isprintable() else char.encode("unicode_escape").decode() for char in line)
    return escape("".join(visible))
