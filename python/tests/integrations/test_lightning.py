"""Lightning: a module of three numbers is trained, and the log says what Lightning's own CSV logger says."""

import argparse
import csv
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
lightning = pytest.importorskip("lightning", reason="lightning is not installed")

from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint  # noqa: E402
from lightning.pytorch.loggers import CSVLogger  # noqa: E402
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

from mlvlogger import Exp, File, Redacted, read  # noqa: E402
from mlvlogger.integrations.lightning import MLVLogger  # noqa: E402
from program import program  # noqa: E402

# Lightning calls what PyTorch has deprecated, and warns of few workers and of what is in a folder of checkpoints.
pytestmark = pytest.mark.filterwarnings("ignore")

HOME = Path("runs/e")


class Stop(Exception):
    """What ends a training in its middle."""


class Net(lightning.LightningModule):
    def __init__(self, lr: float = 0.1, api_key: str = "sk-0123456789", stop: int = -1, error: Any = Stop) -> None:
        super().__init__()
        self.save_hyperparameters("lr", "api_key")
        self.net = torch.nn.Linear(2, 1)
        self.stop, self.error = stop, error

    def training_step(self, batch: Any, number: int) -> Any:
        if self.global_step == self.stop:
            raise self.error(f"at step {self.stop}")
        x, y = batch
        loss = ((self.net(x) - y) ** 2).mean()
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: Any, number: int) -> None:
        x, y = batch
        self.log("val/loss", ((self.net(x) - y) ** 2).mean())

    test_step = validation_step

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=self.hparams["lr"])


def data() -> Any:
    x = torch.linspace(-1, 1, 32).reshape(16, 2)
    return DataLoader(TensorDataset(x, x.sum(1, keepdim=True)), batch_size=4)


def net(**options: Any) -> Net:
    torch.manual_seed(0)
    return Net(**options)


def trainer(*loggers: Any, callbacks: Any = (), epochs: int = 3, **options: Any) -> Any:
    """Four steps in an epoch, each of which is logged; a validation and a checkpoint after each epoch."""
    quiet = {"accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False}
    return lightning.Trainer(
        logger=list(loggers), callbacks=list(callbacks), max_epochs=epochs, log_every_n_steps=1, **quiet, **options
    )


def metrics(path: Path = HOME) -> list[dict[str, Any]]:
    return [dict(event.data) for event in read(path).events("metrics")]


def same_as_csv(path: Path = HOME) -> bool:
    """Has the log what Lightning's own logger wrote, value by value?"""
    with open("csv/metrics.csv", newline="") as file:
        rows = [{name: text for name, text in row.items() if text} for row in csv.DictReader(file)]
    return rows == [{name: str(value) for name, value in data.items()} for data in metrics(path)]


def test_the_log_has_the_values_that_the_csv_logger_of_lightning_writes(conforms: Any) -> None:
    with Exp("runs", "e") as exp:
        mlv = MLVLogger(exp)
        saver = ModelCheckpoint(monitor="val/loss", filename="best", save_last=True)
        training = trainer(mlv, CSVLogger("csv", "", ""), callbacks=[saver])
        training.fit(net(), data(), data())
        assert mlv.experiment is exp and training.log_dir == str(HOME)
    assert same_as_csv()
    steps = read(HOME).metric("metrics", "train_loss")[0]
    assert steps == list(range(12)) and len(metrics()) == 12 + 3

    names = [event.name for event in read(HOME).events()]
    epoch = ["metrics"] * 5 + ["checkpoint"] * 2
    assert names == ["hyperparameters", *epoch * 3, "checkpoints"]
    first, *_, kept = read(HOME).events()
    assert repr(first.data) == "{'params': {'lr': 0.1, 'api_key': Redacted()}}"

    saved = [dict(event.data) for event in read(HOME).events("checkpoint")]
    assert all(data.pop("monitor") == "val/loss" for data in saved)
    scores = [data.pop("score") for data in saved]
    assert scores[::2] == scores[1::2] == read(HOME).metric("metrics", "val/loss")[1]
    assert saved[:4] == [
        {"path": "checkpoints/best.ckpt", "step": 4},
        {"path": "checkpoints/last.ckpt", "step": 4},
        {"path": "checkpoints/best.ckpt", "step": 8},
        {"path": "checkpoints/last.ckpt", "step": 8},
    ]
    existing = sorted(path.relative_to(HOME).as_posix() for path in (HOME / "checkpoints").iterdir())
    files = kept.data["files"]
    assert (
        [file.path for file in files] == existing and len(existing) == 2 and all(type(file) is File for file in files)
    )
    conforms(HOME, sealed=True)


def test_direct_events_and_hyperparameters_of_any_form_are_logged(conforms: Any) -> None:
    with Exp("runs", "e") as exp:
        mlv = MLVLogger(exp, digests=False)
        inner = argparse.Namespace(api_key="sk-0123456789", device=torch.device("cpu"))
        odd = {"weights": {0: 1.0, 1: 5.0}, "optimizer": torch.optim.Adam, "dtype": torch.float16, "inner": inner}
        mlv.log_hyperparams(argparse.Namespace(lr=0.1, betas=(0.9, 0.999), **odd))
        mlv.log_metrics({"loss": torch.tensor(0.5)})
        mlv.experiment.log.event("mine")
        mlv.finalize("success")
    events = [(event.name, dict(event.data)) for event in read(HOME).events()]
    assert events == [
        (
            "hyperparameters",
            {
                "params": {
                    "lr": 0.1,
                    "betas": [0.9, 0.999],
                    "weights": {"0": 1.0, "1": 5.0},
                    "optimizer": "torch.optim.adam.Adam",
                    "dtype": "torch.float16",
                    "inner": {"api_key": Redacted(), "device": "cpu"},
                }
            },
        ),
        ("metrics", {"loss": 0.5}),
        ("mine", {}),
    ]
    conforms(HOME, sealed=True)


def test_a_loss_that_became_nan_is_on_the_curve(conforms: Any) -> None:
    with Exp("runs", "e") as exp:
        mlv = MLVLogger(exp)
        trainer(mlv, CSVLogger("csv", "", ""), epochs=20).fit(net(lr=1e6), data(), data())
    losses = read(HOME).metric("metrics", "train_loss")[1]
    assert len(losses) == 80 and str(losses[-1]) == "nan"
    assert same_as_csv()
    conforms(HOME, sealed=True)


@pytest.mark.parametrize("stop", [5, 10])
def test_a_run_resumed_from_a_checkpoint_has_the_curve_of_one_that_was_never_stopped(stop: int, conforms: Any) -> None:
    with Exp("runs", "whole") as exp:
        trainer(MLVLogger(exp)).fit(net(), data(), data())

    for session in (1, 2):
        failing = pytest.raises(Stop) if session == 1 else pytest.MonkeyPatch.context()
        with failing, Exp("runs", "e", exists="resume") as exp:
            mlv = MLVLogger(exp)
            saver = ModelCheckpoint(save_last=True)
            training = trainer(mlv, callbacks=[mlv, saver])
            module = net(stop=stop if session == 1 else -1)
            training.fit(module, data(), data(), ckpt_path="last", weights_only=True)
        assert read(HOME).state == ("failed" if session == 1 else "completed")
    assert metrics() == metrics(Path("runs/whole")) and training.global_step == 12

    log = [event.name for event in read(HOME).events(lifecycle=True)]
    assert log.count("mlv/rewind") == 1 and log.count("mlv/start") == 2
    last = [event.data for event in read(HOME).events("checkpoint")][-1]
    assert last == {"path": "checkpoints/last.ckpt", "step": 12}
    kept = [sorted(Path(file.path).name for file in event.data["files"]) for event in read(HOME).events("checkpoints")]
    assert kept == [["epoch=2-step=12.ckpt", "last.ckpt"]]
    conforms(HOME, sealed=True)


def test_evaluating_a_checkpoint_rewinds_nothing(conforms: Any) -> None:
    with Exp("runs", "e") as exp:
        mlv = MLVLogger(exp)
        training = trainer(mlv, callbacks=[mlv, ModelCheckpoint(save_last=True)])
        training.fit(net(), data(), data())
        fitted = metrics()
        training.validate(net(), data(), ckpt_path="last", weights_only=True)
        training.test(net(), data(), ckpt_path="last", weights_only=True)
    assert metrics()[:-2] == fitted and [list(data) for data in metrics()[-2:]] == [["val/loss", "epoch", "step"]] * 2
    assert "mlv/rewind" not in [event.name for event in read(HOME).events(lifecycle=True)]
    assert len([*read(HOME).events("checkpoints")]) == 1
    conforms(HOME, sealed=True)


def test_a_checkpoint_of_another_experiment_or_without_a_mark_rewinds_nothing(conforms: Any) -> None:
    for name, marked in (("e", False), ("f", True)):
        with Exp("runs", name) as exp:
            mlv = MLVLogger(exp)
            saver = ModelCheckpoint(save_last=True)
            trainer(mlv, callbacks=[mlv, saver] if marked else [saver], epochs=1).fit(net(), data(), data())
    for name in ("e", "f"):
        with Exp("runs", f"after_{name}") as exp:
            mlv = MLVLogger(exp)
            options = {"ckpt_path": f"runs/{name}/checkpoints/last.ckpt", "weights_only": True}
            trainer(mlv, callbacks=[mlv], epochs=2).fit(net(), data(), data(), **options)
        assert [data["step"] for data in metrics(exp.path)] == [4, 5, 6, 7, 7]
        assert "mlv/rewind" not in [event.name for event in read(exp.path).events(lifecycle=True)]
        conforms(exp.path, sealed=True)


def test_an_interrupted_training_is_interrupted_although_lightning_exits_with_1(run: Any) -> None:
    """In a separate process: Lightning ignores SIGINT ever after."""
    run(program("integrations/lightning_interrupted"), Path(__file__).parent, status=1)
    assert read(HOME).state == "interrupted"
    assert len(metrics()) == 6


@pytest.mark.parametrize("alone", [False, True], ids=["with lightning", "alone"])
def test_the_adapter_works_with_the_package_pytorch_lightning(alone: bool, run: Any, conforms: Any) -> None:
    pytest.importorskip("pytorch_lightning", reason="pytorch_lightning is not installed")
    for epochs in (1, 2):
        run(program("integrations/lightning_older_package"), alone, epochs)
    assert read(HOME).metric("metrics", "loss")[0] == [0, 1, 2, 3]
    assert [event.name for event in read(HOME).events(lifecycle=True)].count("mlv/rewind") == 1
    conforms(HOME, sealed=True)


def test_trouble_with_the_log_does_not_stop_training(conforms: Any) -> None:
    class Full(lightning.pytorch.callbacks.Callback):
        """From the second step to the sixth nothing can be written."""

        def on_train_batch_start(self, trainer: Any, *_: Any) -> None:
            full = 2 <= trainer.global_step < 6
            largest = os.path.getsize(HOME / "log.jsonl") if full else resource.RLIM_INFINITY
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))

    with pytest.warns(RuntimeWarning, match=r"log\.jsonl: File too large"), Exp("runs", "e") as exp:
        mlv = MLVLogger(exp)
        csv_logger = CSVLogger("csv", "", "", flush_logs_every_n_steps=1000)
        trainer(mlv, csv_logger, callbacks=[mlv, Full()], enable_checkpointing=False).fit(net(), data(), data())
    assert same_as_csv() and len(metrics()) == 15
    conforms(HOME, sealed=True)


def test_the_first_of_two_ranks_logs_metrics_and_each_has_its_stream(conforms: Any) -> None:
    Path("train.py").write_text(program("integrations/lightning_ranks"))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "train.py", str(Path(__file__).parent)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    streams = conforms(HOME, sealed=True)
    assert sorted(streams) == ["log.jsonl", "log/rank-1.jsonl"]
    assert read(HOME).metric("metrics", "train_loss")[0] == list(range(6))
    assert [event.data for event in read(HOME).events("epoch")] == [{"rank": 0}] * 3
    assert [event.data for event in read(HOME).events(stream="rank-1")] == [{"rank": 1}] * 3
    assert (HOME / "checkpoints/last.ckpt").is_file() and read(HOME).state == "completed"


def test_the_directions_are_those_of_the_monitoring_callbacks() -> None:
    with Exp("runs", "e") as exp:
        exp.define_metric("train_loss", direction="maximize", unit="1")  # the user's stays
        mlv = MLVLogger(exp)
        stop, save = EarlyStopping("val/loss", mode="min"), ModelCheckpoint(monitor="train_loss", mode="min")
        trainer(mlv, callbacks=[mlv, stop, save]).fit(net(), data(), data())
    definitions = {one.metric: (one.direction, one.unit) for one in read(HOME).metric_definitions()}
    assert definitions == {"train_loss": ("maximize", "1"), "val/loss": ("minimize", None)}


def test_a_logger_alone_knows_the_direction_of_saved_checkpoints() -> None:
    with Exp("runs", "e") as exp:
        trainer(MLVLogger(exp), callbacks=[ModelCheckpoint(monitor="val/loss", mode="max")]).fit(net(), data(), data())
    best = read(HOME).best("metrics", "val/loss")
    assert best is not None and best.metrics["val/loss"] == max(read(HOME).metric("metrics", "val/loss")[1])
