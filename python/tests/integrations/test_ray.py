"""Ray Tune: the recipe of the documentation makes a sub-experiment of every trial, in Ray's processes."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_docs import blocks_of

from mlvlogger import read

pytest.importorskip("ray.tune", reason="ray[tune] is not installed")

PAGE = "docs/how-to/other-frameworks.md"


def test_trials_are_sub_experiments_and_the_log_refers_to_them(
    conforms: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_raylet_start_wait_time_s", "200")  # of a machine that has other things to do
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    (program,) = (block.text for block in blocks_of(PAGE) if block.comment == ("file", "tune.py"))
    Path("tune.py").write_text(program)
    done = subprocess.run([sys.executable, "tune.py"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    run = read("runs/tune")
    subs = {sub.id: sub for sub in run.subs()}
    trials = [event.data for event in run.events("trial")]
    assert sorted(trial["lr"] for trial in trials) == [0.01, 0.1, 1.0]
    for trial in trials:
        sub = subs.pop(trial["exp"].id)
        assert (sub.params, sub.state) == ({"lr": trial["lr"]}, "completed")
        steps, losses = sub.metric("step", "loss")
        assert steps == [0, 1, 2] and losses[-1] == trial["loss"]
        conforms(sub.path, sealed=True)
    assert not subs
    conforms("runs/tune", sealed=True)
