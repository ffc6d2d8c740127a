"""The recipes of docs/how-to/exchange.md, run verbatim, and trackio."""

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mlvlogger import Exp

PAGE = Path(__file__).parents[2] / "docs/how-to/exchange.md"
pytestmark = pytest.mark.filterwarnings("default")  # those of the trackers, and of what they import


def needs(module: str) -> None:
    if "MLV_REQUIRE_ALL" not in os.environ:
        pytest.importorskip(module, reason=f"needs {module}: the tox environment exchange has it")


def recipe(function: str) -> Any:
    (code,) = (
        code for code in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S) if f"def {function}(" in code
    )
    namespace: dict[str, Any] = {}
    exec(compile(code, str(PAGE), "exec"), namespace)
    return namespace[function]


def records_of(content: bytes) -> Iterator[bytes]:
    """The records of a log in the form of LevelDB: blocks of 32 KiB, in them parts with a header of 7 bytes."""
    position, record = 7, b""  # after the header of the file
    while position + 7 <= len(content):
        if 32768 - position % 32768 < 7:
            position += 32768 - position % 32768
            continue
        length, part = int.from_bytes(content[position + 4 : position + 6], "little"), content[position + 6]
        if position + 7 + length > len(content):
            return  # it is being written
        record += content[position + 7 : position + 7 + length]
        position += 7 + length
        if part in (1, 4):  # whole, or the last part
            yield record
            record = b""


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    with Exp(tmp_path / "runs", "demo", {"lr": 3e-4}, kind="train") as exp:
        for step in range(1200):
            exp.log.event("batch", step=step, loss=1 / (step + 1))
    return exp.path


def test_mlflow_has_every_metric_and_parameter(experiment: Path, tmp_path: Path) -> None:
    needs("mlflow")
    from mlflow import MlflowClient

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    run_id = recipe("to_mlflow")(experiment, uri)
    client = MlflowClient(tracking_uri=uri)
    history = client.get_metric_history(run_id, "batch/loss")
    assert sorted((one.step, one.value) for one in history) == [(step, 1 / (step + 1)) for step in range(1200)]
    run = client.get_run(run_id)
    assert (run.data.params, run.info.status) == ({"lr": "0.0003"}, "FINISHED")


def history_of(file: Path) -> list[tuple[Any, Any]]:
    """The steps and losses in a file of W&B."""
    from wandb.proto.wandb_internal_pb2 import Record

    history = []
    for data in records_of(file.read_bytes()):
        record = Record.FromString(data)
        if record.WhichOneof("record_type") == "history":
            items = {item.key or item.nested_key[0]: json.loads(item.value_json) for item in record.history.item}
            history.append((items["batch/step"], items["batch/loss"]))
    return history


def test_the_offline_directory_of_wandb_has_the_history(
    experiment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("wandb")
    for name, value in {"WANDB_MODE": "offline", "WANDB_ERROR_REPORTING": "false", "HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    recipe("to_wandb")(experiment, tmp_path)
    (file,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    deadline = time.monotonic() + 30
    # W&B's own process writes the file, and not all of it before `finish` returns.
    while len(history := history_of(file)) < 1200 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert history == [(step, 1 / (step + 1)) for step in range(1200)]


def test_trackio_imports_what_is_exported_to_tensorboard(
    experiment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))  # read when trackio is imported
    needs("trackio")
    needs("tbparse")
    needs("tensorboardX")
    import trackio
    from trackio.sqlite_storage import SQLiteStorage

    from mlv_tools._commands.export_tensorboard import command

    assert CliRunner().invoke(command, [str(experiment.parent), str(tmp_path / "tb")]).exit_code == 0
    trackio.import_tf_events(str(tmp_path / "tb"), project="mlv")
    (name,) = SQLiteStorage.get_runs("mlv")
    losses = [row["batch/loss"] for row in SQLiteStorage.get_logs("mlv", name) if "batch/loss" in row]
    assert losses == pytest.approx([1 / (step + 1) for step in range(1200)], rel=1e-6)
