"""`mlv plot`: a picture, as a file, with only the logged values."""

import math
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import trainings

from mlv_tools._report import charts
from mlv_tools._sql.downsample import Curve
from mlvlogger import Exp


def plot(*arguments: Any) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "mlv_tools", "plot", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def texts(path: Path) -> list[str]:
    """The texts of a picture; it must hold nothing that could run or load."""
    elements = list(ElementTree.parse(path).iter())
    names = {element.tag.rpartition("}")[2] for element in elements}
    assert names <= {"svg", "g", "path", "text", "defs", "clipPath", "rect", "line", "style"}
    for element in elements:
        assert not [name for name in element.attrib if name.startswith("on") or "href" in name]
    return [element.text or "" for element in elements if element.tag.endswith("text")]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for name, lr in (("slow", 0.01), ("fast", 0.1)):
        trainings.train(tmp_path / "runs", name, lr)
    return tmp_path / "runs"


def test_a_metric_is_drawn_with_a_legend(runs: Path, tmp_path: Path) -> None:
    done = plot(runs, "--metric", "epoch/batch.loss", "-o", tmp_path / "loss.svg")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{tmp_path / 'loss.svg'}: 2 curves, 144 points\n"
    assert {"epoch/batch.loss", "fast", "slow", "step"} <= set(texts(tmp_path / "loss.svg"))


def test_a_png_has_the_requested_size(runs: Path, tmp_path: Path) -> None:
    only = ["--only", "fast", "--width", "300", "--height", "100", "--smooth", "0.9", "--log", "--by", "time"]
    done = plot(runs, "--metric", "epoch/batch.loss", "-o", tmp_path / "loss.png", *only)
    assert done.stdout == f"{tmp_path / 'loss.png'}: 1 curve, 72 points\n"
    content = (tmp_path / "loss.png").read_bytes()
    width, height = struct.unpack(">II", content[16:24])
    assert content[:8] == b"\x89PNG\r\n\x1a\n" and width > 600 and height > 200


def test_omitted_points_are_reported(tmp_path: Path) -> None:
    with Exp(tmp_path / "runs", "one") as exp:
        for step in range(4000):
            exp.log.event("batch", step=step, loss=float("nan") if step == 7 else step - 1.0)
    done = plot(tmp_path / "runs", "--metric", "batch.loss", "--log", "-o", tmp_path / "a.svg")
    printed = done.stdout.split(": ", 1)[1]
    assert printed.startswith(
        "1 curve, 4000 points; downsampled to 1441: the lowest and the highest of each stretch; 1 not finite"
    )
    assert printed.endswith("crosses at the bottom; 1 of those not above 0: not on a log scale\n")


def test_a_missing_metric_is_answered_with_the_existing_ones(runs: Path, tmp_path: Path) -> None:
    done = plot(runs, "--metric", "batch.loss", "-o", tmp_path / "loss.svg")
    assert done.returncode == 2
    assert done.stderr.endswith(
        "there is no metric 'batch.loss'. Did you mean epoch/batch.loss? Choose one of: epoch.n, epoch/batch.loss, "
        "epoch/validation.accuracy.\n"
    )
    assert not (tmp_path / "loss.svg").exists()


def test_a_metric_may_be_named_without_its_event_if_one_event_has_it(runs: Path, tmp_path: Path) -> None:
    done = plot(runs, "--metric", "loss", "-o", tmp_path / "loss.svg")
    assert done.returncode == 0 and "epoch/batch.loss" in texts(tmp_path / "loss.svg")
    with Exp(runs, "other") as exp:
        exp.log.event("other", loss=1)
    done = plot(runs, "--metric", "loss", "-o", tmp_path / "other.svg")
    assert done.returncode == 2 and not (tmp_path / "other.svg").exists()
    assert done.stderr.endswith("'loss' is ambiguous. Choose one of: epoch/batch.loss, other.loss.\n")


def test_metrics_of_one_spelling_are_not_merged(tmp_path: Path) -> None:
    with Exp(tmp_path / "runs", "e") as exp:
        for step in range(3):
            exp.log.event("a.b", step=step, c=1)
            exp.log.event("a", {"step": step, "b.c": 2})
    for name in ("a.b.c", '"a.b".c'):
        done = plot(tmp_path / "runs", "--metric", name, "-o", tmp_path / "a.svg")
        assert done.stdout.endswith(": 1 curve, 3 points\n") and name in texts(tmp_path / "a.svg")


def test_a_pattern_that_matches_no_experiment_says_so(runs: Path, tmp_path: Path) -> None:
    done = plot(runs, "--metric", "epoch/batch.loss", "--only", "fas", "-o", tmp_path / "loss.svg")
    assert done.returncode == 1
    assert "0 of 2 experiments with the metric epoch/batch.loss match --only 'fas'. Choose from: fast," in done.stderr


@pytest.mark.parametrize("value", [0.5, 0.001, 8.63, -2.5, 1e-9, 1234567.0, 0.1 + 0.2])
@pytest.mark.parametrize("flags", [[], ["--smooth", "0.5"]])
def test_the_axis_of_a_constant_metric_shows_its_value(tmp_path: Path, value: float, flags: list[str]) -> None:
    with Exp(tmp_path / "runs", "e") as exp:
        for step in range(3):
            exp.log.event("t", step=step, constant=value)
    assert plot(tmp_path / "runs", "--metric", "t.constant", "-o", tmp_path / "a.svg", *flags).returncode == 0
    labels = [text.replace("\u2212", "-").replace(",", "") for text in texts(tmp_path / "a.svg")]
    assert pytest.approx(value, rel=1e-6) in [float(label) for label in labels if label[-1:].isdigit()]


def axis_of(path: Path) -> list[float]:
    """The labels of the vertical axis, which come after the title of the horizontal one."""
    shown = texts(path)
    labels = [text.replace("\u2212", "-").replace(",", "") for text in shown[shown.index("step") + 1 :]]
    return [float(label) for label in labels if label != "t.y"]


@pytest.mark.parametrize("flags", [[], ["--log"], ["--smooth", "0.5"]])
@pytest.mark.parametrize(
    ("values", "left_out"),
    [
        ([1e-320, 2e-320, 1.0], "; 2 of those nearer to 0 than 1e-290: taken for 0"),
        ([1e-320, 2e-320], "; 2 of those nearer to 0 than 1e-290: taken for 0"),
        ([1.7e308, -1.7e308, 1.0], "; 2 of those beyond ±1e+300: crosses at the bottom"),
        ([1.7e308, 1.7e308] * 2000, "; 720 of those beyond ±1e+300: crosses at the bottom"),
        ([1e300, -1e300], ""),
        ([1e-290, 1e-290 * (1 + 3e-16)], ""),
    ],
)
def test_values_that_no_axis_shows_are_counted(
    tmp_path: Path, values: list[float], left_out: str, flags: list[str]
) -> None:
    with Exp(tmp_path / "runs", "e") as exp:
        for step, value in enumerate(values):
            exp.log.event("t", step=step, y=value)
    done = plot(tmp_path / "runs", "--metric", "t.y", "-o", tmp_path / "a.svg", *flags)
    assert (done.returncode, done.stderr) == (0, "")
    assert left_out in done.stdout and (left_out or "of those beyond" not in done.stdout)
    if "--log" in flags:
        hidden = sum(not value >= 1e-290 for value in values if abs(value) <= 1e300)
        assert (f"; {hidden} of those not above 0: not on a log scale\n" in done.stdout) == bool(hidden)
    assert all(math.isfinite(label) for label in axis_of(tmp_path / "a.svg"))


@pytest.mark.parametrize("values", [(1e-25, 2e-25), (3e-25, 3e-25 + 1e-35), (-2e-300, -1e-280)])
def test_the_labels_of_a_narrow_axis_are_different(tmp_path: Path, values: tuple[float, float]) -> None:
    with Exp(tmp_path / "runs", "e") as exp:
        for step, value in enumerate(values):
            exp.log.event("t", step=step, y=value)
    assert plot(tmp_path / "runs", "--metric", "t.y", "-o", tmp_path / "a.svg").returncode == 0
    labels = axis_of(tmp_path / "a.svg")
    assert len(set(labels)) == len(labels) > 1
    slack = (max(values) - min(values)) / 1000
    assert min(values) - slack <= min(labels) and max(labels) <= max(values) + slack


def test_a_weight_that_is_no_number_is_wrong_usage(tmp_path: Path) -> None:
    done = plot(tmp_path, "--metric", "t.y", "-o", tmp_path / "a.svg", "--smooth", "nan")
    assert done.returncode == 2 and "nan isn't a weight" in done.stderr


def test_the_axis_of_one_time_shows_it() -> None:
    curve = Curve("e", "log.jsonl", "t", "m", 2, steps=[5, 5], times=[0.25, 0.25], values=[1, 2])
    datasets = charts.points({"e": curve}, starts={"e": 0.0})
    spec = charts.lines(datasets, ["e"], title="", x_title="")
    assert spec["encoding"]["x"]["axis"]["format"] and "format" not in spec["layer"][0]["encoding"]["y"]["axis"]


def test_a_missing_root_is_wrong_usage(tmp_path: Path) -> None:
    done = plot(tmp_path / "nothing", "--metric", "loss", "-o", tmp_path / "a.svg")
    assert done.returncode == 2 and "nothing' does not exist" in done.stderr


def test_a_wrong_ending_is_wrong_usage(runs: Path, tmp_path: Path) -> None:
    done = plot(runs, "--metric", "epoch/batch.loss", "-o", tmp_path / "loss.gif")
    assert done.returncode == 2 and "must end in .png or .svg" in done.stderr


def test_hostile_strings_are_shown_as_text(tmp_path: Path) -> None:
    trainings.hostile(tmp_path / "runs")
    event = trainings.EXPRESSION.replace("/", "")
    for metric in (trainings.PWN, trainings.EXPRESSION, "__proto__"):
        done = plot(tmp_path / "runs", "--metric", f"{event}.{metric}", "-o", tmp_path / "a.svg")
        assert done.returncode == 0, done.stderr
        assert f"{event}.{metric}"[:50] in texts(tmp_path / "a.svg")[-1]


def defined_runs(folder: Path, axes: tuple[str | None, ...] = ("epoch", "epoch")) -> None:
    for number, axis in enumerate(axes):
        with Exp(folder / "runs", f"e{number}") as exp:
            exp.define_metric("loss", unit="nat", axis=axis)
            exp.log.event("val", step=0, loss=9)
            for epoch in range(1, 4):
                exp.log.event("val", step=epoch * 1000, epoch=epoch / 2, loss=1 / epoch)


def test_the_axis_and_the_unit_are_those_that_the_metric_defines(mlv: Callable[..., str], tmp_path: Path) -> None:
    defined_runs(tmp_path)
    output = mlv("plot", "runs", "-m", "val.loss", "-o", "x.svg")
    assert output == "x.svg: 2 curves, 6 points; 2 more have no epoch, which is the axis: left out\n"
    assert {"val.loss (nat)", "epoch"} <= set(texts(tmp_path / "x.svg")) and "3,000" not in texts(tmp_path / "x.svg")
    assert mlv("plot", "runs", "-m", "val.loss", "--by", "step", "-o", "x.svg") == "x.svg: 2 curves, 8 points\n"
    assert {"val.loss (nat)", "step", "3,000"} <= set(texts(tmp_path / "x.svg"))
    assert mlv("plot", "runs", "-m", "val.loss", "--by", "time", "-o", "x.svg") == "x.svg: 2 curves, 8 points\n"


def test_curves_of_different_axes_have_no_common_plot(mlv: Callable[..., str], tmp_path: Path) -> None:
    defined_runs(tmp_path, ("epoch", None))
    says = "the experiments define different axes: epoch, step. Pass --by step."
    assert says in " ".join(mlv("plot", "runs", "-m", "val.loss", "-o", "x.svg", exit=2).split())
    assert "1 curve, 3 points" in mlv("plot", "runs", "-m", "val.loss", "-o", "x.svg", "--only", "e0")


def test_a_metric_without_any_position_has_no_plot(mlv: Callable[..., str], tmp_path: Path) -> None:
    defined_runs(tmp_path, ("tokens",))
    assert "no value of val.loss has a position on the axis" in mlv("plot", "runs", "-m", "loss", "-o", "x.svg", exit=1)
