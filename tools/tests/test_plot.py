"""`mlv plot`: a picture, as a file, with only the logged values."""

import struct
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import trainings

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
    assert done.returncode == 1
    assert done.stderr == (
        "Error: there is no metric 'batch.loss'. Choose one of: epoch.n, epoch/batch.loss, epoch/validation.accuracy.\n"
    )
    assert not (tmp_path / "loss.svg").exists()


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
