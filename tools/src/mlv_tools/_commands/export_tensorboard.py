"""`mlv export tensorboard`."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import click

from mlv_tools._commands._help import examples
from mlv_tools._commands._signals import removing_on_signals
from mlv_tools._commands._skipped import report_links, requires_extra
from mlv_tools._display.text import printable
from mlv_tools._exchange.event_files import unfinished
from mlv_tools._exchange.tensorboard_export import export, run_name
from mlv_tools._reading.trees import details, find
from mlvlogger import MLVError

__all__ = ["command"]


@click.command("tensorboard", epilog=examples("mlv export tensorboard runs tb"))
@click.argument("root", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("logdir", type=click.Path(file_okay=False, path_type=Path))
@click.option("--add", is_flag=True, help="Add runs to a LOGDIR that isn't empty. A run that exists is refused.")
def command(root: Path, logdir: Path, add: bool) -> None:
    """Export all experiments under ROOT as TensorBoard runs to LOGDIR.

    Metrics become scalars, parameters hyperparameters, attached images images, tables texts; histograms stay.
    Steps and times are kept; values are float32 there. Values without a form in TensorBoard, such as texts, are
    counted. If other data was left out or changed, it is reported, and the exit code is 1.
    """
    with requires_extra("tensorboard"):
        import PIL  # noqa: F401
        import tensorboardX  # noqa: F401
    if logdir.is_dir() and os.listdir(logdir) and not add:
        raise click.UsageError(f"{str(logdir)!r} is not empty. Choose an empty directory, or pass --add.")
    has_problems = report_links(root)
    for path in sorted(logdir.iterdir()) if logdir.is_dir() else ():
        if message := unfinished(path):
            click.echo(printable(message), err=True)
            has_problems = True
    total: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    is_refused = False  # by the output
    for found in find(root):
        name = run_name(root, found)
        if found.experiment is None:
            click.echo(printable(f"{name}: left out: {found.error}"), err=True)
            has_problems = True
            continue
        try:
            with removing_on_signals():
                written, skipped, messages = export(found.experiment, logdir, name)
        except (MLVError, OSError) as error:
            if isinstance(error, FileExistsError) or getattr(error, "filename", None) == str(logdir / name):
                is_refused = True
                click.echo(printable(f"{name}: not exported: {error}"), err=True)
            else:
                click.echo(printable(f"{name}: {error} {details(found.path)}"), err=True)
            has_problems = True
            continue
        for message in messages:
            click.echo(printable(f"{name}: {message}"), err=True)
        has_problems = has_problems or bool(messages)
        total += written
        left_out += skipped
        total["experiments"] += 1
    if not total["experiments"] and not is_refused:
        raise click.ClickException(f"{str(root)!r} contains no experiment that can be exported. Choose another ROOT.")
    counts = f"{total['experiments']} experiments, {total['scalars']} scalars, {total['images']} images"
    click.echo(counts + "".join(f", {total[kind]} {kind}" for kind in ("histograms", "tables") if total[kind]))
    if left_out:
        counts = ", ".join(f"{number} {what}" for what, number in sorted(left_out.items()))
        click.echo(f"without a form in TensorBoard: {counts}")
    raise SystemExit(has_problems)
