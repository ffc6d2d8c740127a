"""`mlv import tensorboard`: experiments from TensorBoard's event files."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from mlv_tools._text import plain
from mlvlogger import MLVError

__all__ = ["command"]


@click.command(help="Make an experiment in SAVEDIR of each run in and below LOGDIR. The files stay as they are.")
@click.argument("logdir", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("savedir", type=click.Path(file_okay=False, path_type=Path))
def command(logdir: Path, savedir: Path) -> None:
    """The command; see its help."""
    try:
        import tensorboard as _tensorboard
    except ImportError as error:
        raise click.ClickException(f"{error}. Install it: pip install 'mlvlogger-tools[tensorboard]'") from None
    del _tensorboard
    from mlv_tools._from_tensorboard import import_run, runs

    failed, count = False, 0
    for run, files in runs(logdir):
        count += 1
        try:
            imported = import_run(logdir, run, files, savedir)
        except (MLVError, OSError) as error:
            click.echo(f"left out {plain(run)}: {plain(str(error))}", err=True)
            failed = True
            continue
        parts = f"{imported.scalars:,} scalars, {imported.images:,} images, {imported.texts:,} texts"
        click.echo(f"{plain(run)}: {plain(str(imported.path))}, {parts}")
        for reason, times in imported.left_out.items():
            click.echo(f"left out of {plain(run)}: {plain(reason)} ({times:,})", err=True)
    if not count:
        raise click.ClickException(f"{logdir} has no event files: none whose name has 'tfevents' in it")
    sys.exit(1 if failed else 0)
