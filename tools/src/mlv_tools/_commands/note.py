"""`mlv note`: add a note to an experiment."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from mlv_tools._commands._annotate import add
from mlv_tools._commands._completion import ExperimentPath
from mlv_tools._commands._help import examples

__all__ = ["command"]


@click.command(
    help="Add a note to an experiment. It is the description of a new metadata record. If TEXT is -, the note is read"
    " from standard input.",
    epilog=examples("mlv note runs/demo 'the run of table 2'", "mlv note runs/demo - < note.txt"),
)
@click.argument("directory", type=ExperimentPath())
@click.argument("text")
def command(directory: Path, text: str) -> None:
    """Run the command; see its help."""
    if text == "-":
        text = sys.stdin.read().strip()
    if not text:
        raise click.UsageError("The note is empty. Pass TEXT, or - to read it from standard input.")
    add(directory, description=text)
