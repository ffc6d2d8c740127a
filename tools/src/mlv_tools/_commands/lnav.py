"""`mlv lnav`: the path of the format file for lnav."""

from __future__ import annotations

from importlib.resources import as_file, files

import click

__all__ = ["command"]


@click.command(help='Print the path of the lnav format file. To install it: lnav -i "$(mlv lnav)".')
def command() -> None:
    """Run the command; see its help."""
    with as_file(files("mlv_tools") / "lnav" / "mlv.json") as path:
        click.echo(path)
