"""What a metric is, and its step (specification 1.0, chapter Events), by the vectors of the suite."""

import json
import warnings
from pathlib import Path
from typing import Any

import pytest

from mlvlogger import Exp, Logger, read
from mlvlogger.integrations._settings import scalars

VECTORS = json.loads(
    (Path(__file__).parents[2] / "conformance" / "suite" / "vectors" / "metrics.json").read_text("utf-8")
)["vectors"]


@pytest.fixture
def log() -> Path:
    """A log with an event for each vector, each with another name."""
    exp = Exp("runs", "a")
    exp.close()
    path = exp.path / "log.jsonl"
    lines = path.read_text("utf-8").splitlines(keepends=True)[:1]
    for number, vector in enumerate(VECTORS):
        event = f'"time":"2026-11-22T18:24:00.000000Z","event":"v/{number}","data":{vector["data"]}'
        lines.append(f'{{"seq":{number + 2},{event}}}\n')
    path.write_text("".join(lines), encoding="utf-8")
    return path


def test_the_metrics_and_the_step_of_each_vector(log: Path) -> None:
    events = list(read(log.parent).events())
    assert len(events) == len(VECTORS) > 20
    for event, vector in zip(events, VECTORS, strict=True):
        assert {name: repr(value) for name, value in event.metrics.items()} == {
            name: repr(float(text)) if "." in text or text.strip("-") in ("nan", "inf") else text
            for name, text in vector["metrics"].items()
        }, vector["name"]
        assert event.step == (None if vector["step"] is None else int(vector["step"])), vector["name"]


def test_the_quick_way_takes_the_same_steps(log: Path) -> None:
    """Each event twice: the second is of a learned form."""
    lines = log.read_text("utf-8").splitlines(keepends=True)
    for number, line in enumerate(lines[1:], 1):
        for _ in range(2):
            lines.append(line.replace(f'"seq":{number + 1},', f'"seq":{len(lines) + 1},'))
    log.write_text("".join(lines), encoding="utf-8")
    asked = 0
    for number, vector in enumerate(VECTORS):
        for name in vector["metrics"]:
            steps, _ = read(log.parent).metric(f"v/{number}", name)
            assert steps == ([0, 1, 2] if vector["step"] is None else [int(vector["step"])] * 3), vector["name"]
            asked += 1
    assert asked > 15


@pytest.mark.parametrize("step", [0.5, None, "3", True, [3], float("nan")])
@pytest.mark.parametrize("by", ["keyword", "mapping"])
def test_a_step_that_is_no_axis_warns_once(step: Any, by: str) -> None:
    log = Logger("a.jsonl")
    with pytest.warns(
        RuntimeWarning, match=r"data.step of the event \"batch\" is .*, which isn't an integer of 64 bits"
    ) as warned:
        for _ in range(3):
            if by == "keyword":
                log.event("batch", step=step, loss=0.5)
            else:
                log.event("batch", {"step": step, "loss": 0.5})
    assert len(warned) == 1
    with pytest.warns(RuntimeWarning, match="data.step of the event .*other"):
        log.event("other", step=step, loss=0.5)
    log.close()


def test_steps_that_are_integers_do_not_warn() -> None:
    log = Logger("a.jsonl")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for step in (0, 10, 10.0, -1, 2**63 - 1):
            log.event("batch", step=step, loss=0.5)
            log.event("batch", {"step": step, "name": "x"})
        log.event("batch", loss=0.5)
    log.close()


def test_an_array_of_one_float_is_recorded_as_it_is_and_warns_once() -> None:
    numpy = pytest.importorskip("numpy", reason="not applicable: NumPy is not installed")
    exp = Exp("runs", "a")
    message = r"data.'loss' is an array of shape \(1,\).* pass the value of its item"
    with pytest.warns(RuntimeWarning, match=message) as warned:
        for _ in range(2):
            exp.log.event("batch", loss=numpy.array([0.5]))
    assert len(warned) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exp.log.event("batch", loss=numpy.array(0.5), picked=numpy.array([3]), listed=[0.5])
    exp.close()
    first, _, last = read(exp.path).events()
    assert (first.metrics, first.data["loss"]) == ({}, [0.5])
    assert last.metrics == {"loss": 0.5}


def test_metrics_of_a_framework_with_one_element_are_numbers() -> None:
    numpy = pytest.importorskip("numpy", reason="not applicable: NumPy is not installed")
    several = [1, 2]
    values = {"loss": numpy.array([[0.5]]), "zero": numpy.array(0.5), "step": 3, "several": several}
    assert scalars(values) == {"loss": 0.5, "zero": 0.5, "step": 3, "several": several}
    with pytest.warns(RuntimeWarning, match="two metrics have the name 'step'"):
        assert scalars({"step": 0.5, "loss": 1.0}, 7) == {"step": 7, "step~2": 0.5, "loss": 1.0}
