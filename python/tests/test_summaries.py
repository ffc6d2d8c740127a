"""`Experiment.metrics`: a summary of each metric."""

import math
import sys
from pathlib import Path
from typing import Any

import pytest

from mlvlogger import Exp, MetricSummary, read


@pytest.fixture
def exp(tmp_path: Path) -> Any:
    with Exp(tmp_path, "run") as exp:
        yield exp


def test_each_metric_of_each_event_has_a_summary_in_the_order_of_first_values(exp: Exp) -> None:
    exp.define_metric("loss", direction="minimize", unit="nat")
    exp.define_metric("accuracy", event="validation", direction="maximize")
    for step, loss in enumerate([0.9, 0.4, 0.5]):
        exp.log.event("train", step=step * 10, loss=loss)
    exp.log.event("validation", step=30, accuracy=0.8, loss=0.6, note="text", flag=True)
    assert read(exp.path).metrics() == [
        MetricSummary("train", "loss", 3, 0.9, 0.5, 0.4, 0.9, 0.4, 10, "minimize", "nat"),
        MetricSummary("validation", "accuracy", 1, 0.8, 0.8, 0.8, 0.8, 0.8, 30, "maximize", None),
        MetricSummary("validation", "loss", 1, 0.6, 0.6, 0.6, 0.6, 0.6, 30, "minimize", "nat"),
    ]
    assert [found.event for found in read(exp.path).metrics("train")] == ["train"]


def test_a_metric_without_a_direction_has_no_best_value(exp: Exp) -> None:
    exp.log.event("train", loss=1.0)
    [found] = read(exp.path).metrics()
    assert (found.best, found.best_at, found.direction, found.unit) == (None, None, None, None)


@pytest.mark.rule("reader.best-value")
def test_nan_and_infinities_are_counted_and_not_best(exp: Exp) -> None:
    exp.define_metric("loss", direction="minimize")
    for loss in (math.nan, -math.inf, 3.0, 2.0, 2.0, math.nan):
        exp.log.event("train", loss=loss)
    [found] = read(exp.path).metrics()
    assert (found.count, found.minimum, found.maximum, found.best, found.best_at) == (6, -math.inf, 3.0, 2.0, 3)
    assert math.isnan(found.first) and math.isnan(found.last)


def test_only_nan_has_no_least_value(exp: Exp) -> None:
    exp.define_metric("loss", direction="minimize")
    exp.log.event("train", loss=math.nan)
    [found] = read(exp.path).metrics()
    assert (found.count, found.minimum, found.maximum, found.best) == (1, None, None, None)


@pytest.mark.rule("reader.rewind")
@pytest.mark.rule("reader.axis")
def test_rewound_events_do_not_count_and_the_axis_is_that_of_the_definition(exp: Exp) -> None:
    exp.define_metric("loss", direction="minimize", axis="epoch")
    exp.log.event("train", epoch=1.5, loss=0.7)
    mark = exp.mark()
    exp.log.event("train", epoch=2.5, loss=0.1)
    exp.rewind(mark)
    exp.log.event("train", loss=0.5)
    found = next(found for found in read(exp.path).metrics() if found.metric == "loss")
    assert (found.count, found.last, found.best, found.best_at) == (2, 0.5, 0.5, None)


def test_integers_beyond_all_floats_are_compared_exactly(exp: Exp) -> None:
    exp.define_metric("tokens", direction="maximize")
    for value in (2**53, 2**53 + 1, 2**2000):
        exp.log.event("train", tokens=value)
    [found] = read(exp.path).metrics()
    assert (found.first, found.maximum, found.best) == (2**53, 2**2000, 2**2000)


def test_a_stream_that_does_not_exist_is_an_error_with_those_that_do(exp: Exp) -> None:
    exp.stream("gpu").event("sample", power=3)
    assert [found.metric for found in read(exp.path).metrics(stream="gpu")] == ["power"]
    with pytest.raises(FileNotFoundError, match="has no stream 'cpu'"):
        read(exp.path).metrics(stream="cpu")


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_frame_without_its_library_is_an_error_that_says_what_to_install(
    library: str, exp: Exp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ModuleNotFoundError) as caught:
        getattr(read(exp.path), f"to_{library}")()
    assert str(caught.value) == (
        f"to_{library}() needs {library}, which isn't installed. Install it: pip install {library}."
    )
