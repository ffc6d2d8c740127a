"""`mlv clean`: remove the temporary files of killed writers."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from mlv_tools._commands._help import examples
from mlv_tools._display.terminal import output
from mlv_tools._display.text import ago, printable
from mlv_tools._reading.leftovers import Leftover, find_leftovers, remove
from mlv_tools._reading.trees import find

__all__ = ["command"]


@click.command(
    help="Remove temporary files of killed writers. Lists the files and asks first. By default, ROOT is the"
    " current directory.",
    epilog=examples("mlv clean --dry-run runs", "mlv clean --yes runs"),
)
@click.argument("root", type=click.Path(exists=True, file_okay=False, path_type=Path), default=Path("."))
@click.option("-n", "--dry-run", is_flag=True, help="List the files without removing them.")
@click.option("-y", "--yes", is_flag=True, help="Remove the files without asking.")
def command(root: Path, dry_run: bool, yes: bool) -> None:
    """Run the command; see its help."""
    if dry_run and yes:
        raise click.UsageError("--dry-run and --yes cannot be used together. Pass one of them.")
    names, found = _find(root)
    if not found:
        click.echo(f"no temporary files in {printable(str(root))}")
        return
    _print(found, names)
    removable = [one for one in found if not one.kept]
    if not removable:
        return
    click.echo(f"{_count(removable)} can be removed")
    if not dry_run and (yes or _is_confirmed(root)):
        _remove(removable, names)


def _find(root: Path) -> tuple[dict[Path, str], list[Leftover]]:
    """Return the prefix of the names in each experiment by its directory, and the temporary files."""
    names: dict[Path, str] = {}
    found: list[Leftover] = []
    for experiment in find(root):
        directory = experiment.path
        names[directory] = "" if directory == root else f"{experiment.name}/"
        try:
            found += find_leftovers(directory)
        except OSError as error:
            click.echo(f"mlv: warning: {printable(str(directory))} cannot be searched: {error.strerror}", err=True)
    return names, found


def _is_confirmed(root: Path) -> bool:
    if sys.stdin.isatty():
        return click.confirm("Remove them?")
    click.echo(f"To remove them, run: mlv clean --yes {printable(str(root))}")
    return False


def _remove(removable: list[Leftover], names: dict[Path, str]) -> None:
    """Remove the files and print the outcome. If a file was not removed, exit with 1."""
    outcomes: list[tuple[Leftover, str]] = []
    for _, ones in groupby(removable, key=lambda one: one.directory):
        outcomes += remove(list(ones))
    click.echo(f"{_count(one for one, kept in outcomes if not kept)} removed")
    for one, kept in outcomes:
        if kept:
            name = names[one.directory] + one.name
            click.echo(f"mlv: error: {printable(name)} was not removed: {printable(kept)}", err=True)
    if any(kept for _, kept in outcomes):
        sys.exit(1)


def _print(found: list[Leftover], names: dict[Path, str]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("temporary file", "bytes", "changed", "kept because"):
        table.add_column(title, justify="right" if title == "bytes" else "left", no_wrap=title != "kept because")
    for one in found:
        changed = ago(datetime.fromtimestamp(one.changed, UTC))
        table.add_row(
            Text(printable(names[one.directory] + one.name)),
            f"{one.size:,}",
            changed,
            Text(printable(one.kept), style="yellow"),
        )
    output().print(table)


def _count(found: Iterable[Leftover]) -> str:
    sizes = [one.size for one in found]
    return f"{len(sizes)} temporary {'file' if len(sizes) == 1 else 'files'} ({sum(sizes):,} bytes)"
