"""Histograms and tables between MLV and TensorBoard, measured with TensorBoard's own reader and writers."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import mlvlogger
from mlvlogger import Exp, Histogram, Table

if "MLV_REQUIRE_ALL" not in os.environ:
    pytest.importorskip("tensorboardX", reason="needs mlvlogger-tools[tensorboard]")
    pytest.importorskip("tensorboard", reason="needs tensorboard>=2.21, to write and to read")

import numpy as np
import tensorboardX
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary
from tensorboard.plugins.histogram.metadata import create_summary_metadata
from tensorboard.plugins.histogram.summary_v2 import histogram_pb
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.util.tensor_util import make_ndarray, make_tensor_proto

from mlv_tools._commands import export_tensorboard, import_tensorboard

pytestmark = pytest.mark.filterwarnings("default")  # those of tensorboard, and of what it imports

HISTOGRAM = Histogram([-1.5, -0.1, 1 / 3, 1 / 3, 2], [1, 0, 2**40 + 1, 0.25], -2.0, 7.0, 3.5, 60.0, nan=1, above=2)


def exported(tmp_path: Path) -> Result:
    return CliRunner().invoke(export_tensorboard.command, [str(tmp_path / "runs"), str(tmp_path / "tb")])


def imported(tmp_path: Path) -> Result:
    return CliRunner().invoke(import_tensorboard.command, [str(tmp_path / "tb"), str(tmp_path / "back")])


def shown(directory: Path, plugin: str) -> dict[str, list[tuple[int, Any]]]:
    """The tensors of a plugin that TensorBoard shows, by tag, with their steps: old summaries are converted."""
    plugins: dict[str, str] = {}
    found: dict[str, list[tuple[int, Any]]] = {}
    for path in sorted(directory.glob("*tfevents*")):
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                plugins.setdefault(value.tag, value.metadata.plugin_data.plugin_name)
                if plugins[value.tag] == plugin:
                    found.setdefault(value.tag, []).append((event.step, make_ndarray(value.tensor)))
    return found


def rows(histogram: Histogram) -> list[list[float]]:
    return [list(row) for row in zip(histogram.edges, histogram.edges[1:], histogram.counts, strict=False)]


def write(tmp_path: Path, *values: Any) -> None:
    writer = EventFileWriter(str(tmp_path / "tb/run"))
    for step, value in enumerate(values):
        writer.add_event(Event(wall_time=1.0, step=step, summary=Summary(value=[value])))
    writer.close()


def histograms(tmp_path: Path) -> list[Histogram]:
    valid = [sys.executable, "-m", "mlv_validate", "--require-sealed", str(tmp_path / "back")]
    subprocess.run(valid, check=True, capture_output=True)
    events = mlvlogger.read(tmp_path / "back/run").events()
    return [value for event in events for value in event.data.values() if isinstance(value, Histogram)]


def test_tensorboard_shows_the_edges_and_counts_of_a_histogram(tmp_path: Path) -> None:
    with Exp(tmp_path / "runs", "run") as exp:
        exp.log.event("weights", step=7, fc1=HISTOGRAM, loss=0.5)
        exp.log.event("weights", step=8, fc1=Histogram.of([1.0, 2.0]), fc2=Histogram([0, 0], [0]))
    result = exported(tmp_path)
    assert result.stdout == "1 experiments, 1 scalars, 0 images, 3 histograms\n"
    assert "log.jsonl: 3 values of histograms have no bucket, and are left out" in result.stderr
    found = shown(tmp_path / "tb/run", "histograms")
    assert {tag: [step for step, _ in several] for tag, several in found.items()} == {
        "weights/fc1": [7, 8],
        "weights/fc2": [8],
    }
    assert found["weights/fc1"][0][1].tolist() == rows(HISTOGRAM)
    assert set(EventAccumulator(str(tmp_path / "tb/run")).Reload().Tags()["tensors"]) >= {"weights/fc1", "weights/fc2"}
    assert imported(tmp_path).exit_code == 0
    first, second, third = histograms(tmp_path)
    assert (first.edges, first.counts) == (HISTOGRAM.edges, HISTOGRAM.counts)
    assert second.edges == Histogram.of([1.0, 2.0]).edges and (third.edges, third.counts) == ((0, 0), (0,))


@pytest.mark.parametrize("values", [np.linspace(-1, 3, 1000), np.zeros(5), np.array([2.5]), np.arange(10.0) ** 9])
def test_a_histogram_of_a_writer_has_the_buckets_that_tensorboard_shows(tmp_path: Path, values: Any) -> None:
    with tensorboardX.SummaryWriter(str(tmp_path / "tb/run")) as writer:
        writer.add_histogram("a/old", values, 3)
    write(tmp_path, histogram_pb("a/new", values).value[0])
    result = imported(tmp_path)
    assert (result.exit_code, result.stdout.endswith(": 0 scalars, 0 images, 0 texts, 2 histograms\n")) == (0, True)
    by_tag = shown(tmp_path / "tb/run", "histograms")
    events = {name: event for event in mlvlogger.read(tmp_path / "back/run").events("a") for name in event.data}
    for name in ("old", "new"):
        [(step, expected)] = by_tag[f"a/{name}"]
        histogram = events[name].data[name]
        assert events[name].step == step
        assert np.array(rows(histogram), "f4").tolist() == expected.astype("f4").tolist()
        assert sum(histogram.counts) == len(values)
    old = events["old"].data["old"]
    assert (old.min, old.max, old.sum) == (values.min(), values.max(), pytest.approx(values.sum()))
    again = CliRunner().invoke(export_tensorboard.command, [str(tmp_path / "back"), str(tmp_path / "again")])
    assert again.exit_code == 0
    for tag, [(step, expected)] in by_tag.items():
        [(found_step, found)] = shown(tmp_path / "again/run", "histograms")[tag]
        assert found_step == step and found.astype("f4").tolist() == expected.astype("f4").tolist()


def test_odd_histograms_are_imported_or_counted(tmp_path: Path) -> None:
    biggest = sys.float_info.max

    def old(limits: Any, counts: Any, least: float = 0.0, most: float = 1.0) -> Any:
        return Summary.Value(tag="h", histo=HistogramProto(bucket_limit=limits, bucket=counts, min=least, max=most))

    def new(array: Any) -> Any:
        metadata = create_summary_metadata(None, None)
        return Summary.Value(tag="n", tensor=make_tensor_proto(array), metadata=metadata)

    write(
        tmp_path,
        old([-biggest, 0, 0.5, 1, biggest], [0, 0, 2, 3, 0], 0.25, 0.75),
        old([0, 1], [0, 0]),
        old([0, 1, 2], [1, 1, 1], 5.0, 6.0),  # the smallest value is beyond the edges
        old([0, 1], [1]),
        old([float("inf")], [2], 0.0, float("nan")),
        new(np.array([[0, 1, 2], [2, 3, 1]], "f8")),
        new(np.array([[0, 1, 2], [0.5, 3, 1]], "f4")),
        new(np.zeros((0, 3))),
        new(np.zeros((2, 2))),
    )
    result = imported(tmp_path)
    assert result.exit_code == 1 and "left out: 2 of histo\n" in result.stderr
    assert "left out: 2 of histograms\n" in result.stderr
    assert [(one.edges, one.counts) for one in histograms(tmp_path)] == [
        ((0.25, 0.5, 0.75), (2, 3)),
        ((0, 0), (0,)),
        ((5, 5, 5, 6), (1, 1, 1)),
        ((0, 1, 2, 3), (2, 0, 1)),
        ((0, 0), (0,)),
    ]


def test_tensorboard_shows_a_table_as_texts(tmp_path: Path) -> None:
    with Exp(tmp_path / "runs", "run") as exp:
        exp.log.event("validation", step=1, predictions=Table(["text", "p"], [["good", 0.5], ["é", None]]))
        exp.log.event("validation", step=2, empty=Table([], []))
    result = exported(tmp_path)
    assert result.stdout.splitlines()[0] == "1 experiments, 0 scalars, 0 images, 1 tables"
    [(step, texts)] = shown(tmp_path / "tb/run", "text")["validation/predictions"]
    assert (step, [[cell.decode() for cell in row] for row in texts]) == (
        1,
        [["text", "p"], ["good", "0.5"], ["é", "null"]],
    )
