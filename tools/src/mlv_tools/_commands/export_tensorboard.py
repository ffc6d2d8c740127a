"""`mlv export tensorboard`: runs for TensorBoard, and for what imports its files."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from mlv_tools._text import plain
from mlv_tools._trees import find

__all__ = ["command"]


@click.command(
    help="Write the experiments in and below ROOT as runs into LOGDIR: scalars, hyperparameters and images. The format"
    " keeps 32 bits of a number."
)
@click.argument("root", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("logdir", type=click.Path(file_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Also into a directory that is not empty, beside what is there.")
def command(root: Path, logdir: Path, force: bool) -> None:
    """The command; see its help."""
    try:
        from mlv_tools._to_tensorboard import write
    except ImportError as error:
        raise click.ClickException(f"{error}. Install it: pip install 'mlvlogger-tools[tensorboard]'") from None
    if logdir.exists() and any(logdir.iterdir()) and not force:
        raise click.ClickException(f"{logdir} is not empty. Choose another directory, or --force to write beside it.")
    failed = False
    for found in find(root):
        if found.experiment is None:
            click.echo(f"left out {plain(found.name)}: {plain(found.error)}", err=True)
            failed = True
            continue
        written = write(found.experiment, logdir / found.name)
        click.echo(f"{plain(found.name)}: {written.scalars:,} scalars, {written.images:,} images")
        for reason in written.left_out:
            click.echo(f"left out of {plain(found.name)}: {plain(reason)}", err=True)
            failed = True
    sys.exit(1 if failed else 0)
