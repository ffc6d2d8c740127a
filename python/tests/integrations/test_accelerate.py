"""Accelerate: the values of `accelerator.log` are in the log, also for a run that continues from a saved state."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
accelerate = pytest.importorskip("accelerate", reason="accelerate is not installed")

from mlvlogger import Exp, read  # noqa: E402
from mlvlogger.integrations.accelerate import MLVTracker  # noqa: E402
from program import program  # noqa: E402

HOME = Path("runs/e")
STATE = "runs/e/state"


class Stop(Exception):
    """What ends a training in its middle."""


class Step:
    """The number of the next step, as a part of what is saved."""

    def __init__(self) -> None:
        self.number = 0

    def state_dict(self) -> dict[str, int]:
        return {"number": self.number}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.number = state["number"]


@pytest.fixture(autouse=True)
def _afterwards() -> Iterator[None]:
    """Accelerate keeps its accelerator for the whole process."""
    yield
    accelerate.Accelerator().free_memory()
    accelerate.state.AcceleratorState._reset_state(reset_partial_state=True)


def train(exp: Exp, stop: int = -1, lr: float = 0.1, resume: bool = False) -> list[dict[str, Any]]:
    """Ten steps, whose state is saved after every fourth; what was logged, as `accelerator.log` was given it."""
    torch.manual_seed(0)
    tracker, step, given = MLVTracker(exp), Step(), []
    accelerator = accelerate.Accelerator(cpu=True, log_with=tracker)
    config = {"lr": lr, "hf_token": "hf_0123456789", "weights": {0: 1.0}, "dtype": torch.float16}
    accelerator.init_trackers("any name", config=config)
    net = torch.nn.Linear(2, 1)
    net, optimizer = accelerator.prepare(net, torch.optim.SGD(net.parameters(), lr=lr))
    accelerator.register_for_checkpointing(tracker, step)
    if resume:
        accelerator.load_state(STATE)
    while step.number < 10:
        x = torch.linspace(-1, 1, 8).reshape(4, 2) + step.number
        loss = ((net(x) - x.sum(1, keepdim=True)) ** 2).mean()
        optimizer.zero_grad()
        accelerator.backward(loss)
        optimizer.step()
        accelerator.log({"loss": loss.item(), "lr": lr}, step=step.number)
        given.append({"loss": loss.item(), "lr": lr, "step": step.number})
        step.number += 1
        if step.number % 4 == 0:
            accelerator.save_state(STATE)
        if step.number == stop:
            raise Stop
    accelerator.log({"top1": 0.5})
    assert not accelerator.is_main_process or accelerator.get_tracker("mlv", unwrap=True) is exp
    accelerator.wait_for_everyone()  # or the group of processes ends while the other one uses it
    accelerator.end_training()
    exp.log.event("after")
    return [*given, {"top1": 0.5}]


def logged(path: Path = HOME) -> list[dict[str, Any]]:
    return [dict(event.data) for event in read(path).events("log")]


def test_what_the_loop_logs_is_in_the_log_and_the_end_of_training_does_not_end_the_experiment(conforms: Any) -> None:
    with Exp("runs", "e") as exp:
        given = train(exp)
    assert logged() == given and len(given) == 11
    assert [event.name for event in read(HOME).events()] == ["config", *["log"] * 11, "after"]
    config = next(read(HOME).events("config")).data
    expected = "{'params': {'lr': 0.1, 'hf_token': Redacted(), 'weights': {'0': 1.0}, 'dtype': 'torch.float16'}}"
    assert repr(config) == expected
    conforms(HOME, sealed=True)


def test_a_loss_that_became_nan_is_on_the_curve(conforms: Any) -> None:
    with Exp("runs", "e") as exp:
        given = train(exp, lr=1e30)
    assert repr(logged()) == repr(given) and str(read(HOME).metric("log", "loss")[1][-1]) == "nan"
    conforms(HOME, sealed=True)


def test_a_run_resumed_from_a_state_has_the_curve_of_one_that_was_never_stopped(conforms: Any) -> None:
    with Exp("runs", "whole") as exp:
        whole = train(exp)
    with pytest.raises(Stop), Exp("runs", "e") as exp:
        train(exp, stop=7)
    assert read(HOME).state == "failed" and len(logged()) == 7
    with Exp("runs", "e", exists="resume") as exp:
        train(exp, resume=True)
    assert logged() == whole == logged(Path("runs/whole"))
    assert read(HOME).state == "completed"
    with Exp("runs", "other") as exp:
        train(exp, resume=True)
    assert "mlv/rewind" not in [event.name for event in read("runs/other").events(lifecycle=True)]
    conforms(HOME, sealed=True)


def test_trouble_with_the_log_does_not_stop_training(conforms: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def save(*_: Any) -> None:
        largest = 0 if resource.getrlimit(resource.RLIMIT_FSIZE)[0] else resource.RLIM_INFINITY
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))

    monkeypatch.setattr(accelerate.Accelerator, "save_state", save)  # from the fourth step to the eighth: a full disk
    with pytest.warns(RuntimeWarning, match=r"log\.jsonl: File too large"), Exp("runs", "e") as exp:
        given = train(exp)
    assert logged() == given
    conforms(HOME, sealed=True)


def test_only_the_main_one_of_two_processes_logs_and_rewinds(conforms: Any) -> None:
    Path("train.py").write_text(program("integrations/accelerate_ranks"))
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "train.py"]
    launcher += [str(Path(__file__).parent)]
    options: dict[str, Any] = {"capture_output": True, "text": True, "env": {**os.environ, "OMP_NUM_THREADS": "1"}}
    assert subprocess.run(launcher, **options).returncode == 1
    done = subprocess.run([*launcher, "again"], **options)
    assert done.returncode == 0, done.stderr
    streams = conforms(HOME, sealed=True)
    assert sorted(streams) == ["log.jsonl", "log/rank-1.jsonl"]
    assert [data.get("step") for data in logged()] == [*range(10), None, None]
    assert [event.name for event in read(HOME).events(stream="rank-1")] == ["after", "mine"]
