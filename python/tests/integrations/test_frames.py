"""Metrics as a DataFrame of the real pandas and polars."""

import math
import warnings
from pathlib import Path
from typing import Any

import pytest

from mlvlogger import Exp, read

pandas = pytest.importorskip("pandas", reason="needs pandas")
polars = pytest.importorskip("polars", reason="needs polars")


@pytest.fixture
def exp(tmp_path: Path) -> Any:
    with Exp(tmp_path, "run") as exp:
        yield exp


def test_wide_has_a_row_for_each_step_and_a_column_for_each_metric(exp: Exp) -> None:
    for step in range(3):
        exp.log.event("train", step=step, loss=1 / (step + 1), seen=step * 100, note="text")
    exp.log.event("validation", step=1, accuracy=0.5, right=7)
    run = read(exp.path)
    frame = run.to_pandas()
    assert frame.dtypes.astype(str).to_dict() == {
        "step": "int64",
        "train.loss": "float64",
        "train.seen": "int64",
        "validation.accuracy": "float64",
        "validation.right": "Int64",
    }
    assert frame["train.loss"].tolist() == [1.0, 0.5, 1 / 3]
    assert frame["validation.accuracy"].isna().tolist() == [True, False, True]
    assert frame["validation.right"].isna().tolist() == [True, False, True]
    assert frame["validation.right"][1] == 7
    table = run.to_polars()
    assert dict(table.schema) == {
        "step": polars.Int64,
        "train.loss": polars.Float64,
        "train.seen": polars.Int64,
        "validation.accuracy": polars.Float64,
        "validation.right": polars.Int64,
    }
    assert table["validation.right"].to_list() == [None, 7, None]
    assert table["train.seen"].to_list() == [0, 100, 200]


def test_long_has_a_row_for_each_value_in_the_order_of_the_log(exp: Exp) -> None:
    exp.log.event("train", step=5, loss=0.5, seen=3)
    exp.log.event("train", step=4, loss=math.nan)
    run = read(exp.path)
    frame = run.to_pandas(layout="long")
    assert list(frame.columns) == ["event", "metric", "step", "value", "seq", "time"]
    assert frame[["event", "metric", "step", "seq"]].values.tolist() == [
        ["train", "loss", 5, 2],
        ["train", "seen", 5, 2],
        ["train", "loss", 4, 3],
    ]
    assert frame["value"].tolist()[:2] == [0.5, 3.0] and math.isnan(frame["value"][2])
    events = list(run.events())
    assert frame["time"].dt.to_pydatetime().tolist()[0] == events[0].time
    assert str(frame["time"].dtype.tz) == "UTC"
    table = run.to_polars(layout="long")
    assert table["time"].to_list() == [events[0].time, events[0].time, events[1].time]
    assert table.columns == list(frame.columns)


def test_repeated_steps_have_further_rows_and_rewound_events_none(exp: Exp) -> None:
    exp.log.event("train", step=0, loss=1.0)
    mark = exp.mark()
    exp.log.event("train", step=1, loss=9.0)
    exp.rewind(mark)
    exp.log.event("train", step=1, loss=2.0)
    exp.log.event("train", step=1, loss=3.0)
    exp.log.event("validation", step=1, accuracy=0.5)
    frame = read(exp.path).to_pandas()
    assert frame["step"].tolist() == [0, 1, 1]
    assert frame["train.loss"].tolist() == [1.0, 2.0, 3.0]
    assert frame["validation.accuracy"].isna().tolist() == [True, False, True]


def test_integers_beyond_2_53_stay_exact(exp: Exp) -> None:
    large = 2**53 + 1
    exp.log.event("train", step=0, exact=large, mixed=large, huge=2**70)
    exp.log.event("train", step=1, exact=1, mixed=0.5, huge=1)
    run = read(exp.path)
    for frame in (run.to_pandas(), run.to_polars()):
        assert frame["train.exact"].to_list() == [large, 1]
        assert frame["train.mixed"].to_list() == [large, 0.5]
        assert frame["train.huge"].to_list() == [2**70, 1]
    assert str(run.to_pandas()["train.exact"].dtype) == "int64"
    assert str(run.to_pandas()["train.mixed"].dtype) == "object"


def test_events_without_steps_are_counted(exp: Exp) -> None:
    for loss in (3.0, 2.0):
        exp.log.event("train", loss=loss)
    assert read(exp.path).to_pandas()["step"].tolist() == [0, 1]


def test_another_axis_and_the_values_without_a_position(exp: Exp) -> None:
    exp.log.event("validation", epoch=0.5, loss=2.0)
    exp.log.event("validation", loss=1.0)
    run = read(exp.path)
    with pytest.warns(RuntimeWarning, match="1 value was left out: the event has no number 'epoch'"):
        frame = run.to_pandas(axis="epoch")
    assert frame.to_dict("list") == {"epoch": [0.5], "validation.loss": [2.0]}
    exp.log.event("clock", value=3, seconds=1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert "position" in run.to_pandas("clock", layout="long", axis="value").columns


def test_a_stream_without_metrics_is_an_empty_frame(exp: Exp) -> None:
    run = read(exp.path)
    assert run.to_pandas().columns.tolist() == ["step"] and len(run.to_pandas()) == 0
    assert run.to_polars(layout="long").columns == ["event", "metric", "step", "value", "seq", "time"]
    exp.log.event("train", step=1, loss=0.5)
    assert polars.concat([run.to_polars("none", layout="long"), run.to_polars(layout="long")]).height == 1
    with pytest.raises(ValueError, match="layout is 'tall'; it must be one of 'wide', 'long'"):
        run.to_pandas(layout="tall")
