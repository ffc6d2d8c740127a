"""Messages of imports and exports about what they skip, and about packages that they need."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import click

from mlv_tools._display.text import printable
from mlvlogger import unfollowed_links

__all__ = ["report_links", "requires_extra"]


def report_links(root: str | os.PathLike[str]) -> bool:
    """Report the symbolic links below *root* that may lead to experiments and aren't followed, if there are any."""
    links = unfollowed_links(root)
    for link in links:
        click.echo(printable(f"{link} is left out: symbolic links aren't followed. Export its target"), err=True)
    return bool(links)


@contextmanager
def requires_extra(extra: str) -> Iterator[None]:
    """Raise an error with the command that installs an extra of this package, if an import in the block fails.

    Raises:
        ClickException: If a module can't be imported.
    """
    try:
        yield
    except ImportError as error:
        command = f'pip install "mlvlogger-tools[{extra}]"'
        raise click.ClickException(f"{error}. To install what this command needs, run: {command}") from None
