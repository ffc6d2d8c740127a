"""`mlv export ro-crate`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from mlv_tools._crate import write
from mlv_tools._text import plain
from mlvlogger import read

__all__ = ["command"]


@click.command("ro-crate")
@click.argument("directory", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--license", default="not specified", help="License of the crate: a URL or a name.", show_default=True)
def command(directory: Path, out: Path, license: str) -> None:
    """Export the experiment DIR and its sub-experiments as an RO-Crate to OUT.

    OUT is a new directory, or a new file whose name ends in .zip.
    """
    try:
        import rocrate  # noqa: F401
    except ImportError as error:
        raise click.ClickException(f"{error}. Install mlvlogger-tools[ro-crate].") from None
    if os.path.lexists(out):
        raise click.UsageError(f"{str(out)!r} is there already. Give a new name.")
    if out.resolve().is_relative_to(directory.resolve()):
        raise click.UsageError(f"{str(out)!r} is in the experiment. Give a path outside of it.")
    experiment = read(directory)
    said = write(experiment, out, license)
    if experiment.state == "open":
        said.append("it is open: what is written to it from now on is not in the crate")
    said += [
        f"{problem.path}: {problem.message} (for details, run: mlv-validate {directory})"
        for problem in experiment.problems
    ]
    for sentence in said:
        click.echo(plain(f"{directory}: {sentence}"), err=True)
    click.echo(plain(f"{out}: RO-Crate 1.1 of {experiment.name}, {experiment.id}"))
    raise SystemExit(bool(said))
