"""The experiment that encloses a path, and the relative path from one experiment to another."""

from __future__ import annotations

import os
from pathlib import Path

from .meta import holds_experiment

__all__ = ["enclosing", "relative"]


def enclosing(path: Path) -> Path | None:
    """Return the nearest experiment directory among *path* and the directories above it, or None.

    The result is *path* or one of its parents, if one of them leads to the experiment, and otherwise absolute.

    Raises:
        OSError: If the system can't determine it: an experiment must not be created without its parent by mistake.
    """
    real = Path(os.path.realpath(path))  # not `resolve`, which raises RuntimeError for a link to itself
    found = next((directory for directory in (real, *real.parents) if holds_experiment(directory)), None)
    given = (directory for directory in (path, *path.parents) if Path(os.path.realpath(directory)) == found)
    return next(given, found)


def relative(target: Path, start: Path) -> str | None:
    """Return the path of *target* relative to *start*, for a reference to an experiment; None if there is none."""
    try:
        hint = os.path.relpath(target.resolve(), start.resolve()).replace(os.sep, "/")
        hint.encode("utf-8")
    except ValueError:  # another drive of Windows, or a name that is not UTF-8
        return None
    return hint
