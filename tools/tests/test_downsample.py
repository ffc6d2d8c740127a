"""Thinning: the lowest and the highest of each stretch are kept, and what is not finite stays visible."""

import math
import sys
from pathlib import Path
from typing import Any

import pytest

from mlv_tools import connect
from mlv_tools._sql.downsample import curves
from mlvlogger import Exp

MAX = sys.float_info.max


def write(root: Path, values: Any, **more: Any) -> None:
    with Exp(root, "one") as exp:
        for step, value in enumerate(values):
            exp.log.event("batch", {"step": step, "loss": value, **more})


def thinned(root: Path, **bounds: Any) -> Any:
    with connect(root) as connection:
        return curves(connection, **bounds)


def test_a_short_curve_is_kept_whole(tmp_path: Path) -> None:
    write(tmp_path, [3.0, math.nan, 1.0, math.inf, 2.5])
    (curve,) = thinned(tmp_path, most=3)
    assert (curve.experiment, curve.stream, curve.event, curve.metric) == ("one", "log.jsonl", "batch", "loss")
    assert (curve.steps, curve.values, curve.means) == ([0, 1, 2, 3, 4], [3.0, None, 1.0, None, 2.5], None)
    assert (curve.count, curve.bad, curve.low, curve.high, curve.last) == (5, 2, 1.0, 3.0, 2.5)


def test_the_lowest_and_the_highest_point_of_each_interval_are_kept_in_order(tmp_path: Path) -> None:
    write(tmp_path, [5, 1, 9, 4, 2, 2, 8, 3, 7, 0])
    (curve,) = thinned(tmp_path, most=2, budget=1)  # the bound of all curves leaves 20 to each: it stays whole
    assert curve.steps == list(range(10))
    values = [float(step * 37 % 101) for step in range(1000)]
    write(tmp_path / "long", values)
    (curve,) = thinned(tmp_path / "long", most=25)
    assert len(curve.steps) == 50
    for stretch in range(25):
        part = values[stretch * 40 : stretch * 40 + 40]
        kept = [(step, value) for step, value in zip(curve.steps, curve.values, strict=True) if step // 40 == stretch]
        assert sorted(value for _, value in kept) == [min(part), max(part)]
        assert [values[int(step)] for step, _ in kept] == [value for _, value in kept]
    assert curve.means is not None
    assert curve.means[2] == pytest.approx([sum(values[i * 40 : i * 40 + 40]) / 40 for i in range(25)])
    assert (curve.count, curve.low, curve.high, curve.last) == (1000, min(values), max(values), values[-1])


def test_a_gap_stays_visible_after_downsampling(tmp_path: Path) -> None:
    write(tmp_path, [math.nan if 500 <= step < 503 or step >= 900 else 1.0 * step for step in range(1000)])
    (curve,) = thinned(tmp_path, most=25)
    gaps = [step for step, value in zip(curve.steps, curve.values, strict=True) if value is None]
    assert (gaps, curve.bad) == ([500, 900, 920, 960], 103)
    assert math.isnan(curve.last)


@pytest.mark.parametrize("values", [[1.7e308] * 100, [-1.7e308] * 100, [1.7e308] * 50 + [-1.7e308] * 50, [MAX] * 100])
def test_means_are_finite_if_the_sum_of_a_stretch_is_beyond_all_floats(tmp_path: Path, values: list[float]) -> None:
    write(tmp_path, values)
    (curve,) = thinned(tmp_path, most=20)
    assert curve.means is not None
    assert curve.means[2] == values[::5]


def test_many_curves_share_the_bound(tmp_path: Path) -> None:
    for number in range(10):
        with Exp(tmp_path, f"exp-{number}") as exp:
            for step in range(300):
                exp.log.event("batch", step=step, loss=step % 7, accuracy=step % 11)
    found = thinned(tmp_path, most=1000, budget=1000)
    assert len(found) == 20
    assert sum(len(curve.steps) for curve in found) <= 1000
    assert {len(curve.means[0]) for curve in found} == {25}


def test_nothing_is_left_in_the_database(tmp_path: Path) -> None:
    write(tmp_path, [1.0])
    with connect(tmp_path) as connection:
        before = connection.execute("select table_name from duckdb_tables() order by 1").fetchall()
        curves(connection, most=10)
        assert connection.execute("select table_name from duckdb_tables() order by 1").fetchall() == before
