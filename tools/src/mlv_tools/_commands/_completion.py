"""The directory of an experiment as an argument: checked, and completed by the shell."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from mlv_tools._reading.trees import find
from mlvlogger import NotAnExperiment

__all__ = ["ExperimentPath", "check_experiment"]

_MOST = 500  # directories that are searched, and completions, because the user waits for the shell


class ExperimentPath(click.Path):
    """The directory of an existing experiment."""

    name = "directory"

    def __init__(self) -> None:
        super().__init__(exists=True, file_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path of the directory. The exceptions are those of `check_experiment`."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        check_experiment(path)
        return path

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the experiments that match, also one level deeper; if there are none, the directories that match."""
        folder, _, begin = incomplete.rpartition("/")
        prefix = incomplete[: len(incomplete) - len(begin)]
        experiments, others = [], []
        for name in _directories(prefix or "."):
            if not name.startswith(begin) or (name.startswith(".") and not begin):
                continue
            if _is_experiment(path := prefix + name):
                experiments.append(path)
            else:
                below = [f"{path}/{one}" for one in _directories(path) if _is_experiment(f"{path}/{one}")]
                experiments += below
                others += [] if below else [f"{path}/"]
        return [CompletionItem(path) for path in (experiments or others)[:_MOST] if path.isprintable()]


def _directories(path: str) -> Iterator[str]:
    try:
        with os.scandir(path) as entries:
            names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return
    yield from sorted(names)[:_MOST]


def check_experiment(path: Path) -> None:
    """Check that a directory is an experiment.

    Raises:
        NotAnExperiment: If it has no `meta.json`. The message says what to pass or to run instead.
    """
    if _is_experiment(str(path)):
        return
    first = next((found.path for found in find(path) if found.experiment), None)
    if first is None:
        raise NotAnExperiment(
            f"{path} isn't an experiment: it has no meta.json, and contains no experiment that can be read. "
            "Pass the directory of an experiment."
        )
    raise NotAnExperiment(
        f"{path} isn't an experiment, but a directory of experiments. Pass one of them, such as {first}. To list them, "
        f"run: mlv ls {path}. The commands ls, sql, plot, report, clean and export (parquet, csv, tensorboard) take "
        f"{path}, too."
    )


def _is_experiment(path: str) -> bool:
    return os.path.lexists(f"{path}/meta.json")
