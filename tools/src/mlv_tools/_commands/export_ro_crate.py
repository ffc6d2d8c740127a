"""`mlv export ro-crate`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from mlv_tools._commands._completion import check_experiment
from mlv_tools._commands._help import examples
from mlv_tools._commands._signals import removing_on_signals
from mlv_tools._commands._skipped import requires_extra
from mlv_tools._commands._target import check_target
from mlv_tools._display.text import printable
from mlv_tools._exchange.ro_crate import write
from mlv_tools._reading.trees import details
from mlvlogger import read

__all__ = ["command"]


@click.command("ro-crate", epilog=examples("mlv export ro-crate runs/demo demo.zip --license CC-BY-4.0"))
@click.argument("directory", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--license", default="not specified", help="License of the crate: a URL or a name.", show_default=True)
def command(directory: Path, out: Path, license: str) -> None:
    """Export the experiment DIR and its sub-experiments as an RO-Crate to OUT.

    OUT is a new directory, or a new file whose name ends in .zip.
    """
    with requires_extra("ro-crate"):
        import rocrate  # noqa: F401
    if os.path.lexists(out):
        raise click.UsageError(f"{str(out)!r} already exists. Choose a new name.")
    check_target(out)
    if out.resolve().is_relative_to(directory.resolve()):
        raise click.UsageError(f"{str(out)!r} is inside the experiment. Choose a path outside of it.")
    check_experiment(directory)
    experiment = read(directory)
    with removing_on_signals():
        messages = write(experiment, out, license)
    if experiment.state == "open":
        messages.append("the experiment is open: later events are not in the crate")
    messages += [f"{problem} {details(directory)}" for problem in experiment.problems]
    for message in messages:
        click.echo(printable(f"{directory}: {message}"), err=True)
    click.echo(printable(f"{out}: RO-Crate 1.1 of {experiment.name}, {experiment.id}"))
    raise SystemExit(bool(messages))
