"""`mlv export parquet`: experiments, events and metrics as three Parquet files."""

from __future__ import annotations

import click

from mlv_tools._commands._help import examples
from mlv_tools._exchange.table_files import export
from mlv_tools._sql.views import connect

__all__ = ["command"]


@click.command("parquet", epilog=examples("mlv export parquet runs tables"))
@click.argument("root", type=click.Path(exists=True, file_okay=False))
@click.argument("directory", type=click.Path())
def command(root: str, directory: str) -> None:
    """Export all experiments under ROOT as Parquet files.

    The new DIRECTORY gets experiments.parquet, events.parquet and metrics.parquet, with the
    columns of the views of `mlv sql`.
    """
    for view, rows in export(connect(root), directory, "parquet").items():
        click.echo(f"{rows:>10} {view}")
