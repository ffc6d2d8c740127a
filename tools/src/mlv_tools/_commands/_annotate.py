"""Tags and notes that are added to an experiment later, as metadata records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

import mlvlogger
from mlv_tools._display.text import printable

__all__ = ["add"]


def add(directory: Path, **members: Any) -> None:
    """Add a metadata record to an experiment and print its path. A sealed experiment stays sealed.

    A record that no stream mentions isn't sealed (`seal.records`). Therefore the record gets a separate stream, which
    records who added it and when, and which is sealed immediately.

    Args:
        directory: The directory of the experiment.
        members: The members of the record, as for `Exp.open`.

    Raises:
        MLVError: As `Exp.open`.
        OSError: As `Exp.open`.
    """
    exp = mlvlogger.Exp.open(directory, **members)
    exp.close()
    number = len(mlvlogger.read(directory).records)
    click.echo(f"added {printable(str(directory))}/meta/{number}.json")
