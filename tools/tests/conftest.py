"""The command as people run it, and trees of experiments to run it on."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlvlogger import Exp


@pytest.fixture
def mlv(tmp_path: Path) -> Callable[..., str]:
    """Runs ``mlv`` in the test's directory; gives what it printed, and fails where its exit code is not *exit*."""

    def run(*arguments: Any, exit: int = 0, stdin: str = "", **variables: Any) -> str:
        environment = {**os.environ, **variables}
        command = [sys.executable, "-m", "mlv_tools", *map(str, arguments)]
        done = subprocess.run(command, cwd=tmp_path, env=environment, input=stdin, capture_output=True, text=True)
        assert done.returncode == exit, done.stderr or done.stdout
        return done.stdout if exit == 0 else done.stdout + done.stderr

    return run


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Path]:
    """Three runs and a sub-experiment, finished, failed and open, and one that is broken; the directory."""
    for number, (name, lr) in enumerate((("first", 0.1), ("second", 0.01))):
        exp = Exp(tmp_path / "runs", name, {"lr": lr, "seed": 7}, kind="train", tags=["baseline"][number:])
        for step in range(10):
            exp.log.event("train/batch", step=step, loss=1 / (step + 1) + number)
        if number == 0:
            exp.close()
            Exp.find(exp.path).sub("pruned", {"ratio": 0.5}, kind="squeeze").close()
        else:
            exp.close("failed", ValueError("too large"))
    exp = Exp(tmp_path / "runs", "third", {"lr": 1, "seed": 7})
    exp.log.event("train/batch", step=0, loss=float("nan"))
    exp.flush()
    (tmp_path / "runs/broken").mkdir()
    (tmp_path / "runs/broken/meta.json").write_text('{"mlv":')
    yield tmp_path / "runs"
    exp.close()
