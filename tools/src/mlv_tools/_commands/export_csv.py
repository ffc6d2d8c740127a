"""`mlv export csv`: experiments, events and metrics as three CSV files."""

from __future__ import annotations

import click

from mlv_tools._commands._help import examples
from mlv_tools._exchange.table_files import export
from mlv_tools._sql.views import connect

__all__ = ["command"]


@click.command("csv", epilog=examples("mlv export csv runs tables"))
@click.argument("root", type=click.Path(exists=True, file_okay=False))
@click.argument("directory", type=click.Path())
def command(root: str, directory: str) -> None:
    """Export all experiments under ROOT as CSV files.

    The new DIRECTORY gets experiments.csv, events.csv and metrics.csv, with the columns of the views of `mlv sql`.
    """
    for view, rows in export(connect(root), directory, "csv").items():
        click.echo(f"{rows:>10} {view}")
