"""Experiments for the fuzzers that have more in them than the bases of the suite; `mlvlogger` writes them."""

import math
from datetime import datetime, timedelta, timezone
from pathlib import Path

from mlv_validate import make_statement
from mlvlogger import EventRef, Exp, ExperimentRef, Histogram, Table, ref


def make(folder: Path) -> list[Path]:
    """Make two experiments in a folder: one of several sessions, streams and records, and one around another one."""
    _sessions(folder)
    _nested(folder)
    return [folder / "sessions", folder / "nested"]


def _sessions(folder: Path) -> None:
    """An experiment of four sessions, with changes, metrics, tables, spans, a rewind and a statement."""
    path = folder / "sessions"
    with Exp(folder, "sessions", {"lr": 0.1, "epochs": 2}, kind="train", tags=["fuzz"], extra={"note": "a"}) as exp:
        exp.define_metric("loss", direction="minimize", unit="nat", axis="epoch")
        gpu = exp.stream("gpu")
        gpu.define_metric("load", event="gpu", direction="maximize")
        for epoch in range(2):
            with exp.log.span("epoch", n=epoch) as span:
                span.event("batch", step=epoch, epoch=epoch, loss=1 / (epoch + 1), big=2**70)
            gpu.event("gpu", load=epoch, at=datetime.now(timezone.utc), took=timedelta(seconds=1.5))
        exp.add(params={"batch": 32}, description="found by trying")
        exp.log.event("histogram", weights=Histogram((0.0, 0.5, 1.0), (3, 4), min=-0.1, nan=1))
        exp.log.event("table", rows=Table(["text", "p"], [["a", math.nan], [b"\0", -0.0]]))
        exp.attach(b"1\n", "plots/loss.txt")
        mark = exp.mark()
        exp.log.event("batch", step=2, epoch=2, loss=math.inf)
        exp.rewind(mark)
        exp.log.pause("preempted")
    with Exp.resume(path, params={"epochs": 4}, tags=["requeued"]) as exp:
        exp.log.event("batch", {"_mlv": 1, "step": 2, "epoch": 2, "loss": -0.25})
        exp.log.event("checkpoint", file=ref(path / "files" / "plots" / "loss.txt"), text="\ud800")
    with Exp.open(path, params={"split": "test", "lr": 0.2}) as exp:
        exp.log.event("val", loss=0.5, of=EventRef(exp.id, "log.jsonl", 4))
    (path / "mlv-statement.txt").write_bytes(make_statement(path).raw)
    with Exp.resume(path, extra={"note": "b"}) as exp:
        exp.log.event("batch", step=3, epoch=3, loss=0.125)


def _nested(folder: Path) -> None:
    """An experiment of two streams with an experiment in it, and a statement of both."""
    path = folder / "nested"
    with Exp(folder, "nested", {"lr": [1, {"_mlv": 2}]}, kind="tune") as exp:
        exp.stream("rank-1").event("batch", loss=1)
        with Exp(path / "trials", "trial-1", {"lr": 0.5}, kind="train") as trial:
            trial.log.event("batch", step=1, loss=0.5)
            trial.attach(b"weights", "model.pt")
        exp.log.event("tried", trial=ExperimentRef(trial.id, "trials/trial-1"))
    (path / "mlv-statement.txt").write_bytes(make_statement(path).raw)
