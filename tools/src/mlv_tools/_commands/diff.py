"""`mlv diff`: the differences between experiments."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from rich.table import Table
from rich.text import Text

import mlvlogger
from mlv_tools._commands._completion import ExperimentPath
from mlv_tools._display.terminal import output
from mlv_tools._display.text import printable, value
from mlvlogger import Experiment

__all__ = ["command"]

_PARTS = ("params", "extra", "environment", "git", "packages", "variables", "metrics")


@click.command(
    help="Compare experiments: params, environment, git, packages and metrics. Of each metric, the last, smallest and"
    " largest values are compared."
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
    sides = [dict(_facts(experiment)) for experiment in experiments]
    names = list(dict.fromkeys(name for side in sides for name in side))
    differing = [name for name in names if len({repr(side.get(name)) for side in sides}) > 1]
    shown = [(part, name) for part, name in (names if everything else differing) if not only or part in only]
    console = output()
    if not shown:
        console.print(Text("nothing differs" if not only else f"nothing differs in {', '.join(only)}"))
    for part in _PARTS:
        rows = [(name, [side.get((part, name)) for side in sides]) for one, name in shown if one == part]
        if rows:
            console.print(_table(part, directories, rows))
    if exit_code and any(not only or part in only for part, _ in differing):
        sys.exit(1)


def _table(part: str, directories: tuple[Path, ...], rows: list[tuple[str, list[str | None]]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(Text(part))
    for directory in directories:
        table.add_column(Text(printable(str(directory))), overflow="fold")
    for name, cells in rows:
        table.add_row(Text(f"  {printable(name)}"), *(Text("–" if cell is None else cell) for cell in cells))
    return table


def _facts(experiment: Experiment) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield the compared values: part and name, and the formatted value."""
    for part, tree in (("params", experiment.params), ("extra", experiment.extra)):
        for name, item in _flat(tree):
            yield (part, name), value(item)
    environment = dict(experiment.environments[0]) if experiment.environments else {}
    runtime = environment.get("runtime")
    if isinstance(runtime, dict):
        runtime = dict(runtime)
        packages = runtime.pop("packages", None)
        environment["runtime"] = runtime
        environment["packages"] = packages
    for part in ("git", "packages", "variables"):
        for name, item in _flat(environment.pop(part, None)):
            yield (part, name), value(item)
    for name, item in _flat(environment):
        yield ("environment", name), value(item)
    for name, values in sorted(_metrics(experiment).items()):
        last, low, high = values
        yield ("metrics", name), f"{value(last)} (min {value(low)}, max {value(high)})"


def _flat(tree: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of nested dicts, each with its path joined by dots."""
    if isinstance(tree, dict):
        for key, item in tree.items():
            yield from _flat(item, f"{name}.{key}" if name else str(key))
    elif tree is not None:
        yield name, tree


def _metrics(experiment: Experiment) -> dict[str, tuple[float, float, float]]:
    """Return the last, the smallest and the largest value of each metric of the default stream."""
    found: dict[str, tuple[float, float, float]] = {}
    for event in experiment.events():
        for name, item in event.metrics.items():
            _, low, high = found.get(f"{event.name}.{name}", (item, item, item))
            # A NaN is neither smaller nor larger than another number.
            low, high = (item if not low <= item else low), (item if not high >= item else high)
            found[f"{event.name}.{name}"] = (item, low, high)
    return found
