"""Hydra: the recipe of the documentation records the configuration of every job, resolved."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_docs import blocks_of

from mlvlogger import read

pytest.importorskip("hydra", reason="hydra-core is not installed")

PAGE = "docs/how-to/other-frameworks.md"


@pytest.fixture(autouse=True)
def _files() -> None:
    """What the page says to write, where it says to have it."""
    files = {block.comment[1]: block.text for block in blocks_of(PAGE) if block.comment[0] == "file"}
    Path("conf").mkdir()
    Path("conf/config.yaml").write_text(files["config.yaml"])
    Path("train.py").write_text(files["train.py"])


def train(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "train.py", *arguments], capture_output=True, text=True)


def test_a_job_and_the_jobs_of_a_sweep_are_experiments(conforms: Callable[..., Any]) -> None:
    for arguments in (["optimizer.lr=0.2"], ["--multirun", "optimizer.lr=0.1,0.3"]):
        done = train(*arguments)
        assert done.returncode == 0, done.stderr
    assert read("runs/hydra/mlv").params == {"optimizer": {"lr": 0.2, "decay": 0.2}}
    sweep = list(read.all("runs/sweep"))
    assert [(run.params["optimizer"]["lr"], run.state) for run in sweep] == [(0.1, "completed"), (0.3, "completed")]
    for path in [Path("runs/hydra/mlv"), *(run.path for run in sweep)]:
        conforms(path, sealed=True)


def test_a_missing_value_and_a_secret_are_recorded_as_such() -> None:
    with Path("conf/config.yaml").open("a") as file:
        file.write("missing: ???\ndb: {password: hunter2}\n")
    assert train("optimizer.lr=0.2", "+db.url=https://u:hunter2@example.org").returncode == 0
    params = read("runs/hydra/mlv").params
    assert params["missing"] == "???" and {type(value).__name__ for value in params["db"].values()} == {"Redacted"}
    assert "hunter2" not in Path("runs/hydra/mlv/meta.json").read_text()
