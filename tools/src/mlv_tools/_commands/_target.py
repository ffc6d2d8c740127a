"""The check of the path that a command writes to, before it reads experiments."""

from __future__ import annotations

from pathlib import Path

import click

from mlv_tools._display.text import printable

__all__ = ["check_target"]


def check_target(target: Path) -> None:
    """Raise an error that names *target* if the directory that contains it doesn't exist.

    Raises:
        UsageError: If the parent of *target* isn't a directory.
    """
    if not target.parent.is_dir():
        parent = printable(str(target.parent))
        raise click.UsageError(
            f"{printable(str(target))} cannot be written: {parent} isn't a directory. Create it first."
        )
