"""`mlv clean`: the temporary files that killed writers left."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from mlv_tools._display.terminal import output
from mlv_tools._display.text import ago, plain
from mlv_tools._reading.leftovers import Leftover, find_leftovers, remove
from mlv_tools._reading.trees import find

__all__ = ["command"]


@click.command(
    help="Remove temporary files of killed writers. Lists the files and asks first. By default, ROOT is the"
    " current directory."
)
@click.argument("root", type=click.Path(exists=True, file_okay=False, path_type=Path), default=Path("."))
@click.option("-n", "--dry-run", is_flag=True, help="List the files without removing them.")
@click.option("-y", "--yes", is_flag=True, help="Remove the files without asking.")
def command(root: Path, dry_run: bool, yes: bool) -> None:
    """The command; see its help."""
    if dry_run and yes:
        raise click.UsageError("--dry-run and --yes exclude each other.")
    names: dict[Path, str] = {}
    found: list[Leftover] = []
    for experiment in find(root):
        directory = experiment.path
        names[directory] = "" if directory == root else f"{experiment.name}/"
        try:
            found += find_leftovers(directory)
        except OSError as error:
            click.echo(f"mlv: warning: {plain(str(directory))} cannot be searched: {error.strerror}", err=True)
    if not found:
        click.echo(f"no temporary files in {plain(str(root))}")
        return
    _print(found, names)
    removable = [one for one in found if not one.kept]
    if not removable:
        return
    click.echo(f"{_count(removable)} can be removed")
    if dry_run:
        return
    if not yes:
        if not sys.stdin.isatty():
            click.echo(f"To remove them, run: mlv clean --yes {plain(str(root))}")
            return
        if not click.confirm("Remove them?"):
            return
    outcomes: list[tuple[Leftover, str]] = []
    for _, ones in groupby(removable, key=lambda one: one.directory):
        outcomes += remove(list(ones))
    click.echo(f"{_count(one for one, kept in outcomes if not kept)} removed")
    for one, kept in outcomes:
        if kept:
            click.echo(f"mlv: error: {plain(names[one.directory] + one.name)} was kept: {plain(kept)}", err=True)
    if any(kept for _, kept in outcomes):
        sys.exit(1)


def _print(found: list[Leftover], names: dict[Path, str]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("temporary file", "bytes", "changed", "kept because"):
        table.add_column(title, justify="right" if title == "bytes" else "left", no_wrap=title != "kept because")
    for one in found:
        changed = ago(datetime.fromtimestamp(one.changed, UTC))
        table.add_row(
            Text(plain(names[one.directory] + one.name)),
            f"{one.size:,}",
            changed,
            Text(plain(one.kept), style="yellow"),
        )
    output().print(table)


def _count(found: Iterable[Leftover]) -> str:
    sizes = [one.size for one in found]
    return f"{len(sizes)} temporary {'file' if len(sizes) == 1 else 'files'} ({sum(sizes):,} bytes)"
