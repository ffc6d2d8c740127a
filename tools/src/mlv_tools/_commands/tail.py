"""`mlv tail`: the last events of an experiment, and new events as they are written."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click
from rich.text import Text

import mlvlogger
from mlv_tools._commands._completion import ExperimentPath
from mlv_tools._commands._help import examples
from mlv_tools._display.terminal import output
from mlv_tools._display.text import printable, utc, value
from mlv_tools._reading.follow import Follower
from mlv_tools._reading.trees import details, unread
from mlv_tools._reading.writers import writer
from mlvlogger import Event

__all__ = ["command"]

_PAUSE = 0.2  # seconds between two reads
_INTERRUPTED = 130


@click.command(
    help="Print the last events of an experiment, with their times in UTC. With -f, also print new events of all"
    " streams, including new streams.",
    epilog=examples("mlv tail runs/demo", "mlv tail -f runs/demo", "mlv tail -n 100 --until-end runs/demo"),
)
@click.argument("directory", type=ExperimentPath())
@click.option("-f", "--follow", is_flag=True, help="Print new events until interrupted (exit code 130).")
@click.option("--until-end", is_flag=True, help="Print new events until the experiment ends.")
@click.option(
    "-n",
    "--lines",
    metavar="N",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="Number of last events to print first.",
)
def command(directory: Path, follow: bool, until_end: bool, lines: int) -> None:
    """Run the command; see its help."""
    experiment = mlvlogger.read(directory)
    left_out = unread(experiment)
    for reason in left_out.values():
        click.echo(printable(f"{directory}: {reason} {details(directory)}"), err=True)
    if experiment.default_stream in left_out:
        sys.exit(1)
    follower = Follower(experiment)
    end = (experiment.default_stream, "mlv/end")
    try:
        _show(follower.last(lines))
        is_ended = (state := experiment.state) not in ("open", "paused")
        word, described = writer(experiment, state)
        if word in ("stopped", "not known"):
            click.echo(printable(f"{directory}: open; its writer: {described}"), err=True)
        while (follow or until_end) and not (until_end and is_ended):
            time.sleep(_PAUSE)
            added = list(follower.new())
            _show(added)
            is_ended = is_ended or any((stream, one.name) == end for stream, one, _ in added)
        if until_end:
            _show(list(follower.new()))  # of streams that appeared while the end was read, which is written last
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    if follower.left_out:
        click.echo(
            f"{follower.left_out} lines aren't events (for details, run: mlv-validate {printable(str(directory))})",
            err=True,
        )


def _show(events: list[tuple[str, Event, int]]) -> None:
    console = output()
    for stream, event, depth in events:
        console.print(_line(stream, event, depth), soft_wrap=True)
    sys.stdout.flush()


def _line(stream: str, event: Event, depth: int) -> Text:
    name = stream.removeprefix("log/").removesuffix(".jsonl")
    text = Text(utc(event.time, "T", "milliseconds", "Z"), style="dim")
    text.append(f" {printable(name)}:{event.seq} ", style="dim")
    text.append("  " * depth)
    text.append(printable(event.name), style="magenta" if event.is_lifecycle else "bold")
    if event.span == "begin":
        text.append(" {", style="dim")
    for key, item in event.data.items():
        text.append(f" {printable(key)}=", style="dim")
        text.append(value(item))
    if event.span == "end":
        text.append(f" }} {value(event.seconds)} s" if event.seconds is not None else " }", style="dim")
    return text
