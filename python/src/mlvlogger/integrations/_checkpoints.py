"""The common parts of the adapters: the place of a checkpoint, the remaining ones, and going back to one."""

from __future__ import annotations

import os
from pathlib import Path

from .. import MLVError, ref
from .._messages import warn_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from .. import Exp

__all__ = ["log_remaining", "mark", "place", "rewind_to"]


def place(exp: Exp, path: str | os.PathLike[str]) -> str:
    """Return *path* relative to the experiment if it is in it, so that the directory can be moved; else absolute."""
    real = Path(os.path.realpath(path))
    home = Path(os.path.realpath(exp.path))
    return real.relative_to(home).as_posix() if home in real.parents else str(real)


def log_remaining(exp: Exp, paths: Iterable[str | os.PathLike[str]]) -> None:
    """Log one event ``checkpoints`` with references to all files that are *paths*, or below them, now.

    It is for the end of training: what was rotated away before is no longer missed by anyone.
    """
    files = []
    for path in sorted(set(map(Path, paths))):
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and not file.is_symlink():  # last.ckpt may be a link to another one of them
                try:
                    files.append(ref(file))
                except (OSError, MLVError) as error:
                    warn_once(f"no reference to the checkpoint {str(file)!r}: {error}")
    if files:
        exp.log.event("checkpoints", files=files)


def mark(exp: Exp) -> dict[str, Any]:
    """The log position, for a checkpoint."""
    return {"experiment": exp.id, "mark": exp.mark()}


def rewind_to(exp: Exp, state: Mapping[str, Any] | None) -> None:
    """Rewind to what `mark` gave. A checkpoint without it, or of another experiment, rewinds nothing."""
    if state and state["experiment"] == exp.id:
        exp.rewind(state["mark"], "resumed from a checkpoint")
