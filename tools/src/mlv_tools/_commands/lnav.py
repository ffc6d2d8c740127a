"""`mlv lnav`: the path of the format file for lnav."""

from __future__ import annotations

from importlib.resources import as_file, files

import click

from mlv_tools._commands._help import examples

__all__ = ["command"]


@click.command(
    help="Print the path of the lnav format file.", epilog=examples("mlv lnav", 'lnav -i "$(mlv lnav)"    # install it')
)
def command() -> None:
    """Run the command; see its help."""
    with as_file(files("mlv_tools") / "lnav" / "mlv.json") as path:
        click.echo(path)
