"""What a metric is, and its step (specification 1.0, chapter Events), by the vectors of the suite."""

import json
import warnings
from decimal import Decimal
from fractions import Fraction
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


@pytest.mark.rule("reader.metrics")
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


@pytest.mark.parametrize("step", [0.5, None, "3", True, [3], float("nan"), 2**70, -(2**63) - 1])
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


def test_an_array_of_one_number_is_recorded_as_it_is_and_warns_once() -> None:
    numpy = pytest.importorskip("numpy", reason="not applicable: NumPy is not installed")
    exp = Exp("runs", "a")
    for value in (numpy.array([0.5]), numpy.array([3]), numpy.array([[0.5]], "float32")):
        name = f"loss-{value.dtype}"
        message = rf"data.'{name}' of the event \"batch\" is an array of shape \(1,.* pass the value of its item\(\)"
        with pytest.warns(RuntimeWarning, match=message) as warned:
            for _ in range(2):
                exp.log.event("batch", {name: value})
        assert len(warned) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exp.log.event("batch", loss=numpy.array(0.5), several=numpy.array([3, 4]), is_right=numpy.array([True]))
    exp.close()
    first, *_, last = read(exp.path).events()
    assert (first.metrics, first.data) == ({}, {"loss-float64": [0.5]})
    assert last.metrics == {"loss": 0.5}


MEANT_AS_NUMBERS: dict[str, tuple[Any, Any, str]] = {
    "list": ([1.0], [1.0], "an array of one number: it is recorded as an array, .* pass the number itself"),
    "integer": ([3], [3], "an array of one number"),
    "nan": ([float("nan")], [float("nan")], "an array of one number"),
    "tuple": ((1.0,), [1.0], "an array of one number"),
    "nested": ([[2.5]], [[2.5]], "an array of one number"),
    "decimal": (Decimal("0.5"), "0.5", r"a Decimal: it is recorded as a string, .* pass float\(value\)"),
    "fraction": (Fraction(1, 3), "1/3", "a Fraction"),
    "string": ("0.5", "0.5", r"the string '0.5': it is recorded as a string, .* pass a number: float\(value\)"),
    "exponent": ("1e-5", "1e-5", "the string '1e-5'"),
}


@pytest.mark.parametrize("case", MEANT_AS_NUMBERS)
@pytest.mark.parametrize("by", ["keyword", "mapping", "span"])
def test_a_value_that_is_meant_as_a_metric_is_recorded_as_it_is_and_warns_once(case: str, by: str) -> None:
    value, recorded, message = MEANT_AS_NUMBERS[case]
    exp = Exp("runs", "a")
    with pytest.warns(RuntimeWarning, match=rf"^data\.'loss' of the event \"batch\" is {message}") as warned:
        for step in range(3):
            if by == "keyword":
                exp.log.event("batch", step=step, loss=value)
            elif by == "mapping":
                exp.log.event("batch", {"loss": value}, step=step)
            else:
                exp.log.span("batch", step=step, loss=value)
    assert len(warned) == 1
    exp.close()
    for event in read(exp.path).events():
        assert (repr(event.data["loss"]), event.metrics) == (repr(recorded), {})


@pytest.mark.parametrize(
    "number", [{"loss": 0.5}, {"loss": 0.5, "phase": "train"}], ids=["only numbers", "with a string"]
)
def test_a_string_warns_if_another_event_has_a_number_of_this_name(number: dict[str, Any]) -> None:
    log = Logger("a.jsonl")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        log.event("batch", loss="7")
        log.event("batch", number)
        for text in ("none", "", "n/a", "7 of 9"):
            log.event("batch", loss=text)
    for text in ("7", "nan", "0.5"):
        if text == "7":
            with pytest.warns(RuntimeWarning, match="is the string '7'"):
                log.event("batch", loss=text)
        else:
            log.event("batch", loss=text)  # once for each name
    log.close()


def test_values_that_are_not_meant_as_metrics_do_not_warn() -> None:
    log = Logger("a.jsonl")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for step in range(2):
            log.event("epoch", step=step, net="resnet50", version="1.10.2", day="2026-11-22", rank="3", text="0.5 s")
            log.event("epoch", step=step, sizes=[1, 2], none=[], flags=[True], names=["0.5"], more={"loss": [0.5]})
        log.event("versions", torch="2.4", python="3.12", sha="12e4567")
    log.close()


def test_code_of_a_value_that_raises_does_not_stop_an_event() -> None:
    class Odd(list[float]):
        @property
        def shape(self) -> Any:
            raise OSError("odd")

    log = Logger("a.jsonl")
    with pytest.warns(RuntimeWarning, match="'loss'"):
        assert log.event("batch", loss=Odd([0.5])) == 2
    log.close()


def test_metrics_of_a_framework_with_one_element_are_numbers() -> None:
    numpy = pytest.importorskip("numpy", reason="not applicable: NumPy is not installed")
    several = [1, 2]
    values = {"loss": numpy.array([[0.5]]), "zero": numpy.array(0.5), "step": 3, "several": several}
    assert scalars(values) == {"loss": 0.5, "zero": 0.5, "step": 3, "several": several}
    with pytest.warns(RuntimeWarning, match="two metrics have the name 'step'"):
        assert scalars({"step": 0.5, "loss": 1.0}, 7) == {"step": 7, "step~2": 0.5, "loss": 1.0}
