"""Later notes about an experiment: records that are added to its meta."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

import mlvlogger
from mlv_tools._text import plain

__all__ = ["add"]


def add(directory: Path, **members: Any) -> None:
    """Add a meta record with *members*, say which one it is, and leave the experiment as sealed as it was.

    A record that no stream mentions would not be sealed (`seal.records`): so the record comes with a stream of its
    own, which says who added it and when, and is sealed at once. Raises what `Exp.open` raises.
    """
    exp = mlvlogger.Exp.open(directory, **members)
    exp.close()
    number = len(mlvlogger.read(directory).records)
    click.echo(f"added {plain(str(directory))}/meta/{number}.json")
