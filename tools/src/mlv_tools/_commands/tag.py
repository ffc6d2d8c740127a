"""`mlv tag`: add tags to an experiment."""

from __future__ import annotations

from pathlib import Path

import click

import mlvlogger
from mlv_tools._commands._annotate import add
from mlv_tools._commands._completion import ExperimentPath
from mlv_tools._commands._help import examples
from mlv_tools._display.text import printable

__all__ = ["command"]


@click.command(
    help="Add tags to an experiment. They are a new metadata record; existing records are unchanged.",
    epilog=examples("mlv tag runs/demo baseline", "mlv tag runs/demo best 'paper, table 2'"),
)
@click.argument("directory", type=ExperimentPath())
@click.argument("tags", nargs=-1, required=True)
def command(directory: Path, tags: tuple[str, ...]) -> None:
    """Run the command; see its help."""
    if "" in tags:
        raise click.UsageError("A tag is empty. Pass at least one character for each.")
    known = mlvlogger.read(directory).tags
    new = [tag for tag in dict.fromkeys(tags) if tag not in known]
    if not new:
        click.echo(f"{printable(str(directory))} has {'this tag' if len(tags) == 1 else 'these tags'} already")
        return
    add(directory, tags=new)
