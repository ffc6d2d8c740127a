"""Experiment directories as arguments: checked, and completed by the shell."""

from __future__ import annotations

import os
from pathlib import Path

import click
from click.shell_completion import CompletionItem

__all__ = ["ExperimentPath"]


class ExperimentPath(click.Path):
    """The directory of an experiment that is there."""

    name = "directory"

    def __init__(self) -> None:
        super().__init__(exists=True, file_okay=False, path_type=Path)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Directories that are experiments, or in which there may be some."""
        folder, _, begin = incomplete.rpartition("/")
        try:
            with os.scandir(f"{folder}/" if folder or incomplete.startswith("/") else ".") as entries:
                found = sorted(
                    entry.name for entry in entries if entry.is_dir() and entry.name.startswith(begin) and begin != "."
                )
        except OSError:
            return []
        prefix = incomplete[: len(incomplete) - len(begin)]
        names = [name for name in found if not name.startswith(".") or begin.startswith(".")]
        return [CompletionItem(f"{prefix}{name}") for name in names]
