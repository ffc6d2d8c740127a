"""`mlv show`: all facts about one experiment."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

import mlvlogger
from mlv_tools._commands._completion import ExperimentPath
from mlv_tools._commands._help import examples
from mlv_tools._display.names import flatten
from mlv_tools._display.terminal import output
from mlv_tools._display.text import ago, number, printable, utc, value
from mlv_tools._reading.inspect import StreamFacts, referenced_files, stream_facts
from mlv_tools._reading.trees import state_of
from mlv_tools._reading.writers import writer
from mlvlogger import Experiment, File, MetricDefinition, SpanTree

__all__ = ["command"]

_BAR = 30  # characters of the timeline
_SPANS = 20  # of each stream


@click.command(
    help="Show one experiment: metadata, streams, spans, files, problems. Reads all events, and checks the seals.",
    epilog=examples("mlv show runs/demo", "mlv show --spans 100 runs/demo"),
)
@click.argument("directory", type=ExperimentPath())
@click.option(
    "--spans",
    metavar="N",
    type=click.IntRange(min=0),
    default=_SPANS,
    show_default=True,
    help="Number of outer spans to show for each stream.",
)
def command(directory: Path, spans: int) -> None:
    """Run the command; see its help."""
    experiment = mlvlogger.read(directory)
    console = output()
    streams = list(stream_facts(experiment))
    _meta(console, experiment)
    _records(console, experiment)
    _params(console, experiment)
    _changes(console, experiment)
    _streams(console, streams, experiment.continued)
    for stream in experiment.streams:
        _spans(console, experiment, stream, spans)
    _definitions(console, experiment)
    _files(console, experiment)
    if experiment.problems:
        _head(console, "left out")
        for problem in experiment.problems:
            console.print(Text(f"  {printable(str(problem))}", style="yellow"))
    if experiment.problems or any(one.changed for one in streams):
        console.print(Text(f"  for details, run: mlv-validate {printable(str(directory))}", style="yellow"))


def _head(console: Console, text: str) -> None:
    console.print()
    console.print(Text(text, style="bold"))


def _table(console: Console, rows: Iterator[tuple[Any, ...]], *heads: str) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=any(heads), header_style="dim")
    table.add_column("")
    for head in heads:
        table.add_column(head)
    for row in rows:
        table.add_row("", *(cell if isinstance(cell, Text) else Text(str(cell)) for cell in row))
    console.print(table)


def _meta(console: Console, experiment: Experiment) -> None:
    console.print(Text(printable(str(experiment.path)), style="bold"))
    try:
        state = state_of(experiment)
    except OSError:  # the problems at the end have the reason
        state = "unknown"
    rows: list[tuple[str, str]] = [
        ("id", experiment.id),
        ("name", printable(experiment.name)),
        ("kind", printable(experiment.kind)),
        ("state", printable(state)),
        *[("writer", printable(described)) for _, described in [writer(experiment, state)] if described],
        ("created", _time(experiment.created)),
    ]
    if experiment.parent_ref:
        rows.append(("parent", printable(f"{experiment.parent_ref.id} {experiment.parent_ref.path or ''}".strip())))
    if experiment.tags:
        rows.append(("tags", printable(", ".join(experiment.tags))))
    rows += [("description", printable(text)) for text in experiment.descriptions]
    _table(console, iter(rows), "", "")


def _time(time: datetime | None) -> str:
    return f"{utc(time, ' ', 'seconds', ' UTC')} ({ago(time)})" if time else ""


def _records(console: Console, experiment: Experiment) -> None:
    def rows() -> Iterator[tuple[str, ...]]:
        environments = iter(experiment.environments)
        for record in experiment.records:
            environment = next(environments, {}) if "environment" in record else {}
            git = environment.get("git")
            host = environment.get("host")
            name = host.get("name") if isinstance(host, dict) else None
            command = environment.get("command")
            words = " ".join(map(str, command)) if isinstance(command, list) else ""
            created = printable(str(record.get("created", "")))[:19].replace("T", " ")
            created += " UTC" if created else ""
            yield (
                created,
                printable(str(name or "")),
                printable(_commit(git) if isinstance(git, dict) else ""),
                printable(words),
            )

    _head(console, f"records: {len(experiment.records)}")
    _table(console, rows(), "created", "host", "commit", "command")


def _commit(git: dict[str, Any]) -> str:
    """Return the commit, and whether the code had uncommitted changes."""
    if not (commit := str(git.get("commit") or "")[:12]):
        return ""
    dirty = git.get("dirty")
    return commit + (" and changes" if dirty else "" if dirty is False else ", changes not known")


def _params(console: Console, experiment: Experiment) -> None:
    for what, values in (("params", experiment.params), ("extra", experiment.extra)):
        if values:
            _head(console, what)
            _table(console, ((printable(name), value(item)) for name, item in flatten(values)), "", "")


def _changes(console: Console, experiment: Experiment) -> None:
    def rows() -> Iterator[tuple[str, ...]]:
        for one in experiment.changes:
            created = utc(one.created, " ", "seconds", " UTC") if one.created else ""
            name = printable(f"{one.member}.{one.name}" if one.member != "params" else one.name)
            yield name, value(one.old), value(one.new), created, printable(one.stream), str(one.record)

    if experiment.changes:
        _head(console, f"changes: {len(experiment.changes)}")
        _table(console, rows(), "name", "before", "after", "created", "stream", "record")


def _streams(console: Console, streams: list[StreamFacts], continued: dict[str, list[str]]) -> None:
    def rows() -> Iterator[tuple[Any, ...]]:
        for one in streams:
            end = f"{one.torn} bytes after the last line feed" if one.torn else "sealed" if one.is_sealed else "open"
            if one.changed:
                end = f"not sealed: {one.changed}"
            if kept := continued.get(one.name):
                end += f", continued in {', '.join(kept)}"
            style = "yellow" if one.torn or one.changed or one.trouble else ""
            last = Text(one.trouble or end, style=style)
            yield printable(one.name), f"{one.events:,}", str(one.sessions), ago(one.last), last

    _head(console, f"streams: {len(streams)}")
    _table(console, rows(), "", "events", "sessions", "last event", "end")


def _spans(console: Console, experiment: Experiment, stream: str, limit: int) -> None:
    try:
        trees = [tree for tree in experiment.spans(stream=stream) if tree.begin.within is None]
    except mlvlogger.UnsupportedVersion:
        return  # the table of streams reports it
    if not trees or not limit:
        return
    begin = min(tree.begin.time for tree in trees)
    whole = max([_ended(tree) for tree in trees], default=begin) - begin
    length = whole.total_seconds() or 1.0

    def rows() -> Iterator[tuple[Any, ...]]:
        for tree, depth in _walk(trees[:limit], 0):
            start = (tree.begin.time - begin).total_seconds() / length * _BAR
            size = (tree.seconds or 0.0) / length * _BAR
            bar = " " * int(start) + ("█" * max(1, round(size)) if tree.end else "▌ not ended")
            took = f"{number(tree.seconds)} s" if tree.seconds is not None else ""
            yield Text("  " * depth + printable(tree.name)), value(tree.begin.data), took, Text(bar[: _BAR + 12])

    _head(
        console, f"spans of {printable(stream)}: {len(trees)}" + (f", the first {limit}" if len(trees) > limit else "")
    )
    _table(console, rows(), "", "", "took", "")


def _definitions(console: Console, experiment: Experiment) -> None:
    """Show the definitions of metrics, also of metrics that have no values."""
    found: dict[MetricDefinition, None] = {}
    for stream in experiment.streams:
        try:
            found |= dict.fromkeys(experiment.metric_definitions(stream=stream))
        except mlvlogger.UnsupportedVersion:
            pass  # the table of streams reports it
    members = ("metric", "event", "direction", "unit", "axis", "description")
    if found:
        _head(console, f"definitions of metrics: {len(found)}")
        texts = ((printable(getattr(one, member) or "") for member in members) for one in found)
        _table(console, (tuple(row) for row in texts), *members)


def _walk(trees: list[SpanTree], depth: int) -> Iterator[tuple[SpanTree, int]]:
    for tree in trees:
        yield tree, depth
        yield from _walk([child for child in tree.children if isinstance(child, SpanTree)], depth + 1)


def _ended(tree: SpanTree) -> datetime:
    return tree.end.time if tree.end else tree.begin.time


def _files(console: Console, experiment: Experiment) -> None:
    files = list(referenced_files(experiment))
    if not files:
        return

    def rows() -> Iterator[tuple[Any, ...]]:
        for file, event, there in files:
            kind = file.media_type or "" if isinstance(file, File) else f"on {file.host}"
            state = Text(there, style="" if there in ("there", "elsewhere") else "yellow")
            yield printable(str(file.path)), f"{file.size:,}", printable(kind), printable(event), state

    _head(console, f"files: {len(files)}")
    _table(console, rows(), "", "bytes", "", "first referred to by", "")
