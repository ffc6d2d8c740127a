"""`mlv import tensorboard`."""

from __future__ import annotations

from pathlib import Path

import click

from mlv_tools._tensorboard_import import experiment_name, import_run, runs
from mlv_tools._text import plain
from mlvlogger import ExperimentExists, MLVError

__all__ = ["command"]


@click.command("tensorboard")
@click.argument("logdir", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("savedir", type=click.Path(file_okay=False, path_type=Path))
def command(logdir: Path, savedir: Path) -> None:
    """Import all TensorBoard runs under LOGDIR as experiments in SAVEDIR.

    Scalars, images, texts and hyperparameters are imported. Skipped data is reported.
    """
    try:
        import tensorboardX  # noqa: F401
    except ImportError as error:
        raise click.ClickException(f"{error}. Install mlvlogger-tools[tensorboard].") from None
    found = list(runs(logdir))
    if not found:
        raise click.ClickException(f"there is no event file of TensorBoard in {str(logdir)!r}.")
    made: set[str] = set()
    failed = False
    for run, files in found:
        name = experiment_name(logdir, run)
        try:
            exp, written, said = import_run(run, files, savedir, name, again=name in made)
        except ExperimentExists:
            click.echo(plain(f"{run}: not imported: there is an experiment {str(savedir / name)!r}."), err=True)
            failed = True
            continue
        except (MLVError, OSError) as error:
            click.echo(plain(f"{run}: not imported: {error}"), err=True)
            failed = True
            continue
        made.add(name)
        for sentence in said:
            click.echo(plain(f"{run}: {sentence}"), err=True)
        failed = failed or bool(said)
        counts = ", ".join(f"{written[kind]} {kind}" for kind in ("scalars", "images", "texts"))
        click.echo(plain(f"{exp.path}: {counts}"))
    raise SystemExit(failed)
