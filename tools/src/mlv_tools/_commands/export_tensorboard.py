"""`mlv export tensorboard`."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import click

from mlv_tools._tensorboard_export import export, run_name
from mlv_tools._text import plain
from mlv_tools._trees import find
from mlvlogger import MLVError

__all__ = ["command"]


@click.command("tensorboard")
@click.argument("root", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("logdir", type=click.Path(file_okay=False, path_type=Path))
@click.option("--add", is_flag=True, help="Allow a LOGDIR that isn't empty.")
def command(root: Path, logdir: Path, add: bool) -> None:
    """Export all experiments under ROOT as TensorBoard runs to LOGDIR.

    Metrics become scalars, parameters hyperparameters, attached images images.
    Steps and times are kept; values are float32 there.
    """
    try:
        import PIL  # noqa: F401
        import tensorboardX  # noqa: F401
    except ImportError as error:
        raise click.ClickException(f"{error}. Install mlvlogger-tools[tensorboard].") from None
    if logdir.is_dir() and os.listdir(logdir) and not add:
        raise click.UsageError(f"{str(logdir)!r} is not empty. Give an empty directory, or --add to write into it.")
    total: Counter[str] = Counter()
    failed = False
    for found in find(root):
        name = run_name(root, found)
        if found.experiment is None:
            click.echo(plain(f"{name}: left out: {found.error}"), err=True)
            failed = True
            continue
        try:
            written, said = export(found.experiment, logdir / name)
        except (MLVError, OSError) as error:
            click.echo(plain(f"{name}: {error} (for details, run: mlv-validate {found.path})"), err=True)
            failed = True
            continue
        for sentence in said:
            click.echo(plain(f"{name}: {sentence}"), err=True)
        failed = failed or bool(said)
        total += written
        total["experiments"] += 1
    if not total["experiments"]:
        raise click.ClickException(f"there is no experiment to export in {str(root)!r}.")
    click.echo(f"{total['experiments']} experiments, {total['scalars']} scalars, {total['images']} images")
    raise SystemExit(failed)
