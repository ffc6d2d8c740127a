"""`mlv export tensorboard`: what TensorBoard would merge or cannot hold is said or counted."""

import math
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mlvlogger import Exp, Experiment, File, read

if "MLV_REQUIRE_ALL" not in os.environ:
    pytest.importorskip("tensorboardX", reason="needs mlvlogger-tools[tensorboard]")
    pytest.importorskip("tensorboard", reason="needs tensorboard>=2.21, to open what was written")

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.summary_pb2 import DATA_CLASS_SCALAR
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from mlv_tools._commands import export_tensorboard, import_tensorboard

pytestmark = pytest.mark.filterwarnings("default")  # those of tensorboard, and of what it imports


def exported(tmp_path: Path) -> Result:
    return CliRunner().invoke(export_tensorboard.command, [str(tmp_path / "runs"), str(tmp_path / "tb")])


def test_a_parameter_that_is_none_is_null(tmp_path: Path) -> None:
    Exp(tmp_path / "runs", "demo", {"none": None}).close()
    assert exported(tmp_path).exit_code == 0
    metadata = EventAccumulator(str(tmp_path / "tb/demo")).Reload().SummaryMetadata("_hparams_/session_start_info")
    params = HParamsPluginData.FromString(metadata.plugin_data.content).session_start_info.hparams
    assert params["none"].string_value == "null"


def test_values_without_a_form_in_tensorboard_are_counted(tmp_path: Path) -> None:
    with Exp(tmp_path / "runs", "demo") as exp:
        with exp.create("weights.bin") as file:
            file.write(b"w")
        assert isinstance(file.ref, File)
        with exp.log.span("epoch", n=0):
            exp.log.event("a", loss=1, note="x", ok=True, nested={"x": 1}, several=[1, 2], none=None, file=file.ref)
    result = exported(tmp_path)
    counts = "1 booleans, 1 files, 2 nested values, 1 other values, 1 spans, 1 texts"
    assert result.stdout.splitlines()[1:] == [f"without a form in TensorBoard: {counts}"]
    assert (result.exit_code, result.stderr) == (0, "")


def test_a_problem_of_a_whole_file_is_reported_with_one_colon(tmp_path: Path) -> None:
    Exp(tmp_path / "runs", "demo").close()
    (tmp_path / "runs/demo/meta").mkdir(exist_ok=True)
    (tmp_path / "runs/demo/meta/3.json").write_text("{}")
    result = exported(tmp_path)
    assert result.exit_code == 1
    assert result.stderr.startswith("demo: meta/3.json: was left out, because there is no meta/2.json")


def test_an_export_that_fails_leaves_no_event_file(tmp_path: Path) -> None:
    for name in ("large", "small"):
        with Exp(tmp_path / "runs", name) as exp:
            for step in range(4000 if name == "large" else 1):
                exp.log.event("a", step=step, loss=0.5)
    done = subprocess.run(
        [sys.executable, "-m", "mlv_tools", "export", "tensorboard", "runs", "tb"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
    )
    assert (done.returncode, done.stdout) == (1, "1 experiments, 1 scalars, 0 images\n")
    assert done.stderr.startswith("large: not exported: [Errno 27] File too large: 'tb/large'\n")
    assert os.listdir(tmp_path / "tb") == ["small"]


def test_links_to_experiments_are_said(tmp_path: Path) -> None:
    Exp(tmp_path / "runs", "demo").close()
    (tmp_path / "runs/best").symlink_to("demo")
    result = exported(tmp_path)
    said = f"{tmp_path}/runs/best is left out: symbolic links aren't followed. Export its target\n"
    assert (result.exit_code, result.stderr) == (1, said)


def test_names_with_quotes_do_not_become_one_tag(tmp_path: Path) -> None:
    names = [
        ("x", "a/b"),
        ("x", '"a/b"'),
        ("x/a", "b"),
        ('x/"a', 'b"'),
        ("x", '\\"a/b\\"'),
    ]
    with Exp(tmp_path / "runs", "demo") as exp:
        for number, (event, name) in enumerate(names):
            for step in range(2):
                exp.log.event(event, {"step": step, name: number})
    result = exported(tmp_path)
    assert (result.exit_code, result.stderr) == (0, "")
    read = EventAccumulator(str(tmp_path / "tb/demo")).Reload()
    found = {tag: [one.value for one in read.Scalars(tag)] for tag in read.Tags()["scalars"]}
    assert sorted(found.values()) == [[number, number] for number in range(len(names))]
    assert (found['x/"a/b"'], found["x/a/b"], found['x/"\\"a/b\\""']) == ([0, 0], [2, 2], [1, 1])


def test_bytes_after_the_last_line_and_links_in_the_log_are_said(tmp_path: Path) -> None:
    with Exp(tmp_path / "runs", "demo") as exp:
        exp.log.event("a", step=1, loss=0.5)
        exp.stream("gpu").event("memory", used=1)
    with (exp.path / "log.jsonl").open("ab") as file:
        file.write(b'{"seq":4')
    with (exp.path / "log/gpu.jsonl").open("ab") as file:
        file.write(b"{\n{{")
    (exp.path / "log/link.jsonl").symlink_to("gpu.jsonl")
    result = exported(tmp_path)
    said = [
        "demo: log/link.jsonl: it is a symbolic link, which is not followed; its events were left out",
        "demo: log.jsonl: the last 8 bytes have no line feed after them and aren't part of the log",
        "demo: log/gpu.jsonl: the last 2 bytes have no line feed after them and aren't part of the log",
    ]
    lines = result.stderr.splitlines()
    assert [line for line in lines if "gpu.jsonl:4: " not in line] == said
    assert (result.exit_code, len(lines), result.stdout) == (1, 4, "1 experiments, 2 scalars, 0 images\n")


def scalars(directory: Path) -> list[tuple[str, int, float]]:
    read = EventAccumulator(str(directory)).Reload()
    return [(tag, one.step, one.value) for tag in read.Tags()["scalars"] for one in read.Scalars(tag)]


def added(tmp_path: Path, root: str) -> Result:
    return CliRunner().invoke(export_tensorboard.command, [str(tmp_path / root), str(tmp_path / "tb"), "--add"])


def test_a_run_that_exists_is_refused_and_the_others_are_added(tmp_path: Path) -> None:
    for number, (root, name) in enumerate([("runs", "a"), ("others", "a"), ("others", "b")]):
        with Exp(tmp_path / root, name) as exp:
            exp.log.event("t", step=1, x=number)
            if number == 0:
                exp.stream("gpu").event("t", step=1, x=9)
    assert exported(tmp_path).exit_code == 0
    result = added(tmp_path, "others")
    said = f"a: not exported: {str(tmp_path / 'tb/a')!r} already exists. Choose another LOGDIR, or delete this run.\n"
    assert (result.exit_code, result.stderr, result.stdout) == (1, said, "1 experiments, 1 scalars, 0 images\n")
    assert [scalars(tmp_path / "tb" / run) for run in ("a", "b")] == [[("t/x", 1, 0.0)], [("t/x", 1, 2.0)]]
    for file in (tmp_path / "tb/a").glob("*tfevents*"):
        file.unlink()
    result = added(tmp_path, "runs")  # its stream exists, too
    assert (result.exit_code, result.stdout) == (1, "0 experiments, 0 scalars, 0 images\n")
    assert result.stderr.startswith(f"a: not exported: {str(tmp_path / 'tb/a/log/gpu')!r} already exists.")


def test_after_a_kill_the_next_export_and_the_import_say_which_directory_to_delete(tmp_path: Path) -> None:
    for name in ("large", "small"):
        with Exp(tmp_path / name, "run") as exp:
            for step in range(10_000 if name == "large" else 1):
                exp.log.event("a", step=step, loss=0.5)
    command = [sys.executable, "-m", "mlv_tools", "export", "tensorboard", "large", "tb"]
    process = subprocess.Popen(command, cwd=tmp_path)
    deadline = time.monotonic() + 60
    while not (left := list(tmp_path.glob("tb/*/*tfevents*"))) and time.monotonic() < deadline:
        time.sleep(0.001)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    folder = left[0].parent
    why = f"an earlier export didn't end. If no export is running, delete {str(folder)!r}\n"
    result = added(tmp_path, "small")
    assert (result.exit_code, result.stderr) == (1, why)
    back = CliRunner().invoke(import_tensorboard.command, [str(tmp_path / "tb"), str(tmp_path / "back")])
    assert (back.exit_code, back.stderr) == (1, f"{folder} is left out: {why}")
    assert os.listdir(tmp_path / "back") == ["run"]


def test_an_output_that_cannot_be_written_is_not_blamed_on_the_experiments(tmp_path: Path) -> None:
    with Exp(tmp_path / "runs", "a") as exp:
        exp.log.event("t", step=1, x=1)
    done = subprocess.run(
        [sys.executable, "-m", "mlv_tools", "export", "tensorboard", "runs", "tb"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)),
    )
    assert (done.returncode, done.stdout) == (1, "0 experiments, 0 scalars, 0 images\n")
    assert done.stderr == "a: not exported: [Errno 27] File too large: 'tb/a'\n"
    assert os.listdir(tmp_path / "tb") == []


def test_numbers_that_float32_rounds_to_zero_are_counted(tmp_path: Path) -> None:
    with Exp(tmp_path / "runs", "demo") as exp:
        exp.log.event("a", step=1, v=1e-50, w=-(2.0**-150), x=0.0, y=math.nextafter(2.0**-150, 1), z=-0.0)
    result = exported(tmp_path)
    said = "demo: log.jsonl: 2 numbers are too small for float32 and became 0\n"
    assert (result.exit_code, result.stderr) == (1, said)
    assert {tag for tag, _, value in scalars(tmp_path / "tb/demo") if value == 0} == {"a/v", "a/w", "a/x", "a/z"}


def test_a_log_that_grows_during_an_export_is_exported_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Exp(tmp_path / "runs", "demo") as exp:
        exp.log.event("a", step=1, x=1)
        exp.flush()
        read = Experiment.events
        times = []

        def grow(self: Experiment, *arguments: Any, **options: Any) -> Any:
            times.append(1)
            exp.log.event("a", {"step": 1 + len(times), f"new{len(times)}": 1})
            exp.flush()
            return read(self, *arguments, **options)

        monkeypatch.setattr(Experiment, "events", grow)
        result = exported(tmp_path)
    assert (result.exit_code, result.output, len(times)) == (0, "1 experiments, 2 scalars, 0 images\n", 2)
    assert scalars(tmp_path / "tb/demo") == [("a/x", 1, 1.0), ("a/new1", 2, 1.0)]


def test_what_metrics_mean_is_the_description_of_their_tags(tmp_path: Path) -> None:
    with Exp(tmp_path / "runs", "demo") as exp:
        exp.define_metric("loss", direction="minimize", unit="nat", description="cross entropy")
        exp.define_metric("accuracy", event="val", direction="maximize")
        for step in range(2):
            exp.log.event("val", step=step, loss=0.5, accuracy=0.5, other=1)
        exp.stream("gpu").event("memory", loss=1)
    assert exported(tmp_path).exit_code == 0

    def described(run: str, tag: str) -> str:
        accumulator = EventAccumulator(str(tmp_path / "tb/demo" / run)).Reload()
        metadata = accumulator.SummaryMetadata(tag)
        # Without the class of the data, TensorBoard's data server, which is its default, ignores the description.
        assert (metadata.plugin_data.plugin_name, metadata.data_class) == ("scalars", DATA_CLASS_SCALAR)
        assert isinstance(metadata.summary_description, str)
        return metadata.summary_description

    loss = "cross entropy; unit: nat; lower is better"
    assert (described("", "val/loss"), described("", "val/accuracy")) == (loss, "higher is better")
    assert described("log/gpu", "memory/loss") == loss
    accumulator = EventAccumulator(str(tmp_path / "tb/demo")).Reload()
    with pytest.raises(KeyError):
        accumulator.SummaryMetadata("val/other")
    assert [(one.step, one.value) for one in accumulator.Scalars("val/loss")] == [(0, 0.5), (1, 0.5)]
    arguments = [str(tmp_path / "tb"), str(tmp_path / "back")]
    result = CliRunner().invoke(import_tensorboard.command, arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    run = read(tmp_path / "back/demo")
    assert run.extra["tensorboard"]["tags"]["val/loss"] == {"description": loss}
    assert run.metric("val", "loss") == ([0, 1], [0.5, 0.5])
