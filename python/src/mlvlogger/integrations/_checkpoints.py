"""Checkpoints, for the adapters: their paths, references to the remaining ones, and the rewind to one."""

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
    """Return *path* relative to the experiment if it is in its directory, which can be moved; otherwise absolute."""
    real = Path(os.path.realpath(path))
    home = Path(os.path.realpath(exp.path))
    return real.relative_to(home).as_posix() if home in real.parents else str(real)


def log_remaining(exp: Exp, paths: Iterable[str | os.PathLike[str]]) -> None:
    """Log one event `checkpoints` with references to all files that exist at *paths* or below them.

    Call this at the end of training, when the framework has removed old checkpoints.
    """
    files = []
    for path in sorted(set(map(Path, paths))):
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and not file.is_symlink():  # last.ckpt may be a link to another checkpoint
                try:
                    files.append(ref(file))
                except (OSError, MLVError) as error:
                    warn_once(f"no reference to the checkpoint {str(file)!r}: {error}")
    if files:
        exp.log.event("checkpoints", files=files)


def mark(exp: Exp) -> dict[str, Any]:
    """Return the log position and the id of the experiment, to be saved in a checkpoint."""
    return {"experiment": exp.id, "mark": exp.mark()}


def rewind_to(exp: Exp, state: Mapping[str, Any] | None) -> None:
    """Rewind to a result of `mark`. Without one, or if it is from another experiment, nothing is rewound."""
    if state and state["experiment"] == exp.id:
        exp.rewind(state["mark"], "resumed from a checkpoint")
