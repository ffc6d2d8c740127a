"""`mlv cite`: print a citation whose digest covers the whole record of an experiment."""

from __future__ import annotations

from pathlib import Path

import click

from mlv_tools._commands._citation import cite, statement_options
from mlv_tools._commands._completion import ExperimentPath
from mlv_tools._commands._help import examples
from mlv_tools._display.text import printable

__all__ = ["command"]


@click.command(epilog=examples("mlv cite runs/demo", "mlv cite runs/demo -o demo-statement.txt"))
@click.argument("directory", type=ExperimentPath())
@statement_options
def command(directory: Path, output: Path | None, unsealed: bool) -> None:
    """Print a citation of an experiment for a paper.

    The digest in the citation is that of a statement: a text file that lists all metadata records, streams and attached
    files of the experiment and its sub-experiments with their digests. The statement is written into DIRECTORY; an
    existing one is never changed. Files that it does not cover are listed on standard error.
    """
    citation, _ = cite(directory, output, unsealed=unsealed)
    click.echo(printable(citation))
