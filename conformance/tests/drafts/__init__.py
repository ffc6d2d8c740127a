"""Drafts of MLV 1.0: what their implementations wrote, what their readers made of it, and these readers.

`make.py` made the fixtures `2026-11-27/` and `2026-11-28/`: the experiments of each implementation, what the reader and
the validator of the draft answered about them (`then.json`), and its readers (`readers.zip`).
"""

import json
import os
import subprocess
import zipfile
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

__all__ = ["DRAFTS", "HERE", "ROOT", "answers", "normal", "readers_of", "then"]

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
DRAFTS = ("2026-11-27", "2026-11-28")


def then(draft: str) -> dict[str, Any]:
    """Return what the reader and the validator of a draft made of its experiments, by their paths."""
    answer: dict[str, Any] = json.loads((HERE / draft / "then.json").read_bytes())
    return answer


def readers_of(draft: str, folder: Path) -> Path:
    """Unpack the readers of a draft."""
    with zipfile.ZipFile(HERE / draft / "readers.zip") as archive:
        archive.extractall(folder)
    return folder


def answers(
    driver: Iterable[object], command: str, folder: Path, names: Iterable[str], *source: Path
) -> dict[str, Any]:
    """Return what a driver answers about experiments in a folder, with the Python packages in *source*."""
    names = list(names)
    path = os.pathsep.join(map(str, (*source, ROOT / "conformance/src")))
    words = [*map(str, driver), command, *names]
    done = subprocess.run(words, cwd=folder, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.split("\n")[:-1]]
    return {name: normal(answer) for name, answer in zip(names, found, strict=True)}


def normal(model: Any) -> Any:
    """Return a model in one notation: `conformance/DRIVER.md` leaves some of the notation of numbers and times open."""
    if isinstance(model, list):
        return [normal(part) for part in model]
    if not isinstance(model, dict):
        return model
    if len(model) == 1:
        [(kind, value)] = model.items()
        if kind in ("number", "duration") and isinstance(value, str):
            return {kind: (Decimal(value).normalize(), value.startswith("-"))}
        if kind == "datetime" and isinstance(value, str):
            return {kind: value.replace("+00:00", "Z")}
    return {name: normal(part) for name, part in model.items()}
