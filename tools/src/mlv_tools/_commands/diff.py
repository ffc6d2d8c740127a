"""`mlv diff`: the differences between experiments."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import click
from rich.table import Table
from rich.text import Text

import mlvlogger
from mlv_tools._commands._completion import ExperimentPath
from mlv_tools._commands._help import examples
from mlv_tools._display.names import differing, flatten, identity, metric_label
from mlv_tools._display.terminal import output
from mlv_tools._display.text import printable, value
from mlvlogger import Experiment

__all__ = ["command"]

_PARTS = ("params", "extra", "environment", "git", "packages", "variables", "metrics")


@click.command(
    help="Compare experiments: params, environment, git, packages and metrics. Of each metric of each stream, the last,"
    " smallest and largest values are compared.",
    epilog=examples(
        "mlv diff runs/a runs/b",
        "mlv diff runs/a runs/b --only params --exit-code",
        "mlv diff --all runs/*",
    ),
)
@click.argument("directories", nargs=-1, required=True, type=ExperimentPath())
@click.option("-a", "--all", "everything", is_flag=True, help="Show equal values, too.")
@click.option("--only", type=click.Choice(_PARTS), multiple=True, help="Compare only this part (repeatable).")
@click.option("--exit-code", is_flag=True, help="Exit with 1 if anything differs.")
def command(directories: tuple[Path, ...], everything: bool, only: tuple[str, ...], exit_code: bool) -> None:
    """Run the command; see its help."""
    if len(directories) < 2:
        raise click.UsageError("mlv diff compares two or more experiments. Run: mlv diff A B")
    experiments = [mlvlogger.read(directory) for directory in directories]
    sides = [{part: dict(facts) for part, facts in _facts(experiment)} for experiment in experiments]
    for directory, experiment in zip(directories, experiments, strict=True):
        for problem in experiment.problems:
            click.echo(printable(f"{directory}: {problem}"), err=True)
    parts = [part for part in dict.fromkeys(chain(_PARTS, *sides)) if not only or part.split(" ")[0] in only]
    for side in sides:
        side.update({part: {} for part in parts if part not in side})
    differ = {part: differing([side[part] for side in sides]) for part in parts}
    shown = (
        {part: list(dict.fromkeys(chain(*(side[part] for side in sides)))) for part in parts} if everything else differ
    )
    console = output()
    if not any(shown.values()):
        console.print(Text("nothing differs" if not only else f"nothing differs in {', '.join(only)}"))
    for part, names in shown.items():
        if names:
            rows = [(name, _cells([side[part] for side in sides], name)) for name in names]
            console.print(_table(part, directories, rows))
    if exit_code and any(differ.values()):
        sys.exit(1)


def _cells(sides: list[dict[str, Any]], name: str) -> list[str]:
    """Return the values of a row as text; "–" if there is none. Values that differ don't look the same, nor as none."""
    different = {identity(side[name]) for side in sides if name in side}
    cells = [_text(side[name], value) if name in side else "" for side in sides]
    known = {cell for cell, side in zip(cells, sides, strict=True) if name in side}
    if len(known) < len(different) or "–" in known:
        cells = [_text(side[name], _exact) if name in side else "" for side in sides]
    return [cell if name in side else "–" for cell, side in zip(cells, sides, strict=True)]


def _text(item: Any, form: Callable[[Any], str]) -> str:
    if isinstance(item, _Values):
        return f"{form(item.last)} (min {form(item.low)}, max {form(item.high)})"
    return form(item)


def _exact(item: Any) -> str:
    """Return a value with all its digits, and a string in quotes."""
    return json.dumps(item, ensure_ascii=True, default=repr)


def _table(part: str, directories: tuple[Path, ...], rows: list[tuple[str, list[str]]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(Text(part))
    for directory in directories:
        table.add_column(Text(printable(str(directory))), overflow="fold")
    for name, cells in rows:
        table.add_row(Text(f"  {printable(name)}"), *map(Text, cells))
    return table


class _Values(NamedTuple):
    """The values of a metric that are compared."""

    last: float
    low: float
    high: float


def _facts(experiment: Experiment) -> Iterator[tuple[str, Iterable[tuple[str, Any]]]]:
    """Yield each part of what is compared: the names of its values, and the values."""
    yield "params", flatten(experiment.params)
    yield "extra", flatten(experiment.extra)
    environment = dict(experiment.environments[0]) if experiment.environments else {}
    runtime = environment.get("runtime")
    if isinstance(runtime, dict):
        runtime = dict(runtime)
        if "packages" in runtime:
            environment["packages"] = runtime.pop("packages")
        environment["runtime"] = runtime
    for part in ("git", "packages", "variables"):
        facts = environment.pop(part, {})
        if not isinstance(facts, dict):
            facts = {part: facts}
        # Packages and variables aren't nested, and many of their names have dots.
        yield part, flatten(facts) if part == "git" else facts.items()
    yield "environment", flatten(environment)
    yield "metrics", sorted(_metrics(experiment, experiment.default_stream).items())
    for stream in experiment.streams:
        if stream != experiment.default_stream:
            yield f"metrics of {stream}", sorted(_metrics(experiment, stream).items())


def _metrics(experiment: Experiment, stream: str) -> dict[str, _Values]:
    """Return the last, the smallest and the largest value of each metric of a stream; NaN as `Metric.pick` does."""
    found: dict[tuple[str, str], tuple[float, float, float]] = {}
    for event in experiment.events(stream=stream):
        for name, item in event.metrics.items():
            _, low, high = found.get((event.name, name), (item, item, item))
            if item == item:  # only the first values may be NaN
                low, high = (item if not low <= item else low), (item if not high >= item else high)
            found[event.name, name] = (item, low, high)
    return {metric_label(*names): _Values(*values) for names, values in found.items()}
