"""`mlv export ro-crate`: an experiment for an archive."""

from __future__ import annotations

from pathlib import Path

import click

import mlvlogger
from mlv_tools._completion import ExperimentPath

__all__ = ["command"]


@click.command(help="Copy an experiment with a description as an RO-Crate into OUTPUT, a new directory or a .zip file.")
@click.argument("directory", type=ExperimentPath())
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--license", metavar="URL", help="Under which the experiment may be used; archives ask for one.")
@click.option("--author", metavar="NAME", help="Who made the experiment.")
def command(directory: Path, output: Path, license: str | None, author: str | None) -> None:
    """The command; see its help."""
    try:
        from mlv_tools._crate import write
    except ImportError as error:
        raise click.ClickException(f"{error}. Install it: pip install 'mlvlogger-tools[ro-crate]'") from None
    if output.exists():
        raise click.ClickException(f"{output} exists. Choose another name.")
    count = write(mlvlogger.read(directory), output, license=license, author=author)
    click.echo(f"{output}: {count:,} files and ro-crate-metadata.json")
