"""`mlv import tensorboard`."""

from __future__ import annotations

from pathlib import Path

import click

from mlv_tools._commands._help import examples
from mlv_tools._commands._signals import removing_on_signals
from mlv_tools._commands._skipped import requires_extra
from mlv_tools._display.text import printable
from mlv_tools._exchange.event_files import runs
from mlv_tools._exchange.tensorboard_import import NothingToImport, experiment_names, import_run, is_unfinished
from mlvlogger import ExperimentExists, MLVError

__all__ = ["command"]


@click.command("tensorboard", epilog=examples("mlv import tensorboard tb runs"))
@click.argument("logdir", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("savedir", type=click.Path(file_okay=False, path_type=Path))
def command(logdir: Path, savedir: Path) -> None:
    """Import all TensorBoard runs under LOGDIR as experiments in SAVEDIR.

    Scalars, images, texts, histograms and hyperparameters are imported, and symbolic links are followed. Values that a
    restart of the run superseded are kept as rewound events. Data of other types is counted; then the exit code is 1.
    """
    with requires_extra("tensorboard"):
        import tensorboardX  # noqa: F401
    found, skipped = runs(logdir)
    for message in skipped:
        click.echo(printable(message), err=True)
    if not found:
        raise click.ClickException(f"{str(logdir)!r} contains no event files of TensorBoard. Choose another LOGDIR.")
    names = experiment_names(logdir, (run for run, _ in found))
    has_problems = bool(skipped)
    for run, files in found:
        name = names[run]
        try:
            with removing_on_signals():
                exp, written, messages = import_run(run, files, savedir, name)
        except ExperimentExists:
            message = f"{str(savedir / name)!r} already exists. Choose another SAVEDIR."
            if is_unfinished(savedir / name):
                message = (
                    f"an earlier import of {str(savedir / name)!r} didn't end. If no import is running, delete this "
                    "directory, and import again."
                )
            click.echo(printable(f"{run}: not imported: {message}"), err=True)
            has_problems = True
            continue
        except (NothingToImport, MLVError, OSError) as error:
            click.echo(printable(f"{run}: not imported: {error}"), err=True)
            has_problems = True
            continue
        for message in messages:
            click.echo(printable(f"{run}: {message}"), err=True)
        has_problems = has_problems or bool(messages)
        counts = ", ".join(f"{written[kind]} {kind}" for kind in ("scalars", "images", "texts"))
        if written["histograms"]:
            counts += f", {written['histograms']} histograms"
        if written["superseded"]:
            counts += f", {written['superseded']} superseded by restarts"
        click.echo(printable(f"{exp.path}: {counts}"))
    raise SystemExit(has_problems)
