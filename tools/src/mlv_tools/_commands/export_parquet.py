"""`mlv export parquet`: experiments, events and metrics as three Parquet files."""

from __future__ import annotations

from pathlib import Path

import click

from mlv_tools._commands._help import examples
from mlv_tools._commands._skipped import report_links
from mlv_tools._commands._target import check_target
from mlv_tools._exchange.table_files import export
from mlv_tools._sql.views import connect

__all__ = ["command"]


@click.command("parquet", epilog=examples("mlv export parquet runs tables"))
@click.argument("root", type=click.Path(exists=True, file_okay=False))
@click.argument("directory", type=click.Path())
def command(root: str, directory: str) -> None:
    """Export all experiments under ROOT as Parquet files.

    The new DIRECTORY gets experiments.parquet, events.parquet and metrics.parquet, with the
    columns of the views of `mlv sql`. If data was left out, a warning counts it, and the exit code is 1.
    """
    check_target(Path(directory))
    connection = connect(root)
    for view, rows in export(connection, directory, "parquet").items():
        click.echo(f"{rows:>10} {view}")
    has_problems = connection.execute("SELECT * FROM problems LIMIT 1").fetchone() is not None
    raise SystemExit(report_links(root) or has_problems)
