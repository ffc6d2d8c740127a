"""PyTorch: its data loader forks workers, its launcher starts ranks. The same without PyTorch is in the other tests."""

import functools
import importlib.util
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from mlvlogger import CannotEncode, Exp, read
from program import program

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="not applicable: torch is not installed"
)

HOME = Path("runs/e")


@pytest.mark.rule("writer.fork")
@pytest.mark.parametrize("persistent", [False, True], ids=["forked every epoch", "forked once"])
def test_a_dataset_logs_in_the_workers_of_a_data_loader(persistent: bool, conforms: Any) -> None:
    Path("train.py").write_text(program("integrations/torch_data_loader"))
    subprocess.run([sys.executable, "-W", "ignore", "train.py", str(persistent)], check=True)
    streams = conforms(HOME)
    assert read(HOME).state == "completed" and len([*read(HOME).events("epoch/batch")]) == 3 * 4
    assert len(streams) == 1 + (2 if persistent else 2 * 4)
    loaded = [e["data"]["index"] for written in streams.values() for e in written if e["event"] == "data/loaded"]
    assert all(loaded.count(index) in (3, 4) for index in range(32))


def rate(epoch: int) -> float:
    return 0.95**epoch


def test_settings_of_torch_are_recorded_by_name_by_every_call(conforms: Any) -> None:
    import torch

    layer = torch.nn.Linear(2, 2)
    params = {
        "device": torch.device("cuda:1"),
        "dtype": torch.bfloat16,
        "layout": torch.strided,
        "memory_format": torch.channels_last,
        "optimizer": torch.optim.Adam,
        "activation": torch.nn.functional.relu,
        "made": functools.partial(torch.optim.AdamW, lr=0.1, foreach=None),
        "forward": layer.forward,
        "rates": {torch.nn.Linear: 0.1, torch.float16: 0.2},
        "size": torch.Size([2, 3]),
        "scalar": torch.tensor(0.5),
        "weights": torch.zeros(1000),
        "schedule": rate,
    }
    expected = {
        "device": "cuda:1",
        "dtype": "torch.bfloat16",
        "layout": "torch.strided",
        "memory_format": "torch.channels_last",
        "optimizer": "torch.optim.adam.Adam",
        "activation": "torch.nn.functional.relu",
        "made": {"function": "torch.optim.adamw.AdamW", "args": [], "keywords": {"lr": 0.1, "foreach": None}},
        "forward": "torch.nn.modules.linear.Linear.forward",
        "rates": {"torch.nn.modules.linear.Linear": 0.1, "torch.float16": 0.2},
        "size": [2, 3],
        "scalar": 0.5,
        "weights": [0.0] * 1000,
        "schedule": f"{__name__}.rate",
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with Exp("runs", "e", params, extra=params) as exp:
            exp.log.event("x", params)
    assert read(HOME).params == read(HOME).extra == next(read(HOME).events("x")).data == expected
    conforms(HOME)
    for refused in (layer, torch.Generator(), torch.zeros(1001)):
        with pytest.raises(CannotEncode):
            Exp("runs", "refused", {"a": refused})


def test_ranks_of_torchrun_continue_after_one_of_them_died(conforms: Any) -> None:
    Path("train.py").write_text(program("integrations/torch_ranks"))
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=3", "--max-restarts=1"]
    done = subprocess.run(
        [*launcher, "train.py"], capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr
    streams = conforms(HOME, sealed=True)
    assert sorted(streams) == ["log.jsonl", "log/rank-1.jsonl", "log/rank-2.jsonl"]
    for written in streams.values():
        last = [event["data"]["step"] for event in written if event["event"] == "batch" and event["data"]["attempt"]]
        assert last == list(range(10))
    assert read(HOME).state == "completed"
