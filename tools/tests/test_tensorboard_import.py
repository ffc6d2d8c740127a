"""`mlv import tensorboard`: what real writers write is converted or counted, as TensorBoard's own reader reads it."""

import errno
import io
import math
import os
import resource
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import mlvlogger

if "MLV_REQUIRE_ALL" not in os.environ:
    pytest.importorskip("tensorboardX", reason="needs mlvlogger-tools[tensorboard]")
    pytest.importorskip("tensorboard", reason="needs tensorboard>=2.21, to write and to read")

import numpy as np
import tensorboardX
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event, LogMessage, SessionLog, TaggedRunMetadata
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.plugins.hparams.api_pb2 import STATUS_FAILURE
from tensorboard.plugins.hparams.metadata import create_summary_metadata as hparams_metadata
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from tensorboard.plugins.image.metadata import create_summary_metadata as image_metadata
from tensorboard.plugins.scalar.metadata import create_summary_metadata as scalar_metadata
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.plugins.text.metadata import create_summary_metadata as text_metadata
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.util.tensor_util import make_tensor_proto
from tensorboardX.record_writer import RecordWriter

from mlv_tools._commands import export_tensorboard, import_tensorboard

pytestmark = pytest.mark.filterwarnings("default")  # those of tensorboard, and of what it imports


def imported(tmp_path: Path) -> Result:
    return CliRunner().invoke(import_tensorboard.command, [str(tmp_path / "tb"), str(tmp_path / "back")])


def experiment(tmp_path: Path, name: str = "run") -> Any:
    valid = [sys.executable, "-m", "mlv_validate", "--require-sealed", str(tmp_path / "back")]
    subprocess.run(valid, check=True, capture_output=True)
    return mlvlogger.read(tmp_path / "back" / name)


def write(directory: Path, *events: Event, suffix: str = "") -> None:
    """Write an event file with the writer that PyTorch, Keras and TensorBoard's own API use."""
    writer = EventFileWriter(str(directory), filename_suffix=suffix)
    for event in events:
        writer.add_event(event)
    writer.close()


def summary(step: int, tag: str, tensor: Any, metadata: Any = None) -> Event:
    value = Summary.Value(tag=tag, tensor=tensor, metadata=metadata)
    return Event(wall_time=1.0, step=step, summary=Summary(value=[value]))


def points(directory: Path) -> dict[str, list[tuple[int, float]]]:
    """The points that TensorBoard shows, by tag."""
    read = EventAccumulator(str(directory), size_guidance={"scalars": 0}).Reload()
    return {tag: [(one.step, one.value) for one in read.Scalars(tag)] for tag in read.Tags()["scalars"]}


def logged(exp: Any) -> dict[str, list[tuple[int, float]]]:
    """The points of an imported experiment, by tag."""
    found: dict[str, list[tuple[int, float]]] = {}
    for event in exp.events():
        for name, value in event.metrics.items():
            tag = name if event.name == "tensorboard" else f"{event.name}/{name}"
            found.setdefault(tag, []).append((event.step, value))
    return found


def writer_of(package: str) -> Any:
    if package == "torch":
        pytest.importorskip("torch", reason="not applicable: torch is not installed")
        from torch.utils.tensorboard import SummaryWriter

        return SummaryWriter
    return tensorboardX.SummaryWriter


@pytest.mark.parametrize("package", ["tensorboardX", "torch"])
def test_a_restart_with_purge_step_supersedes_the_points_that_tensorboard_hides(tmp_path: Path, package: str) -> None:
    run = tmp_path / "tb/run"
    for start, end, purge in ((0, 15, None), (10, 20, 10), (5, 8, 5), (8, 12, None)):
        writer = writer_of(package)(str(run), purge_step=purge, filename_suffix=f".{start:02}.{end}")
        for step in range(start, end):
            writer.add_scalar("train/loss", step + start / 100, step)
            if step % 5 == 0:
                writer.add_scalar("epoch", step + start / 100, step // 5)
                writer.add_image("samples/first", np.full((3, 2, 2), step / 20), step)
        writer.close()
    files = sorted(run.iterdir())
    for number, file in enumerate(sorted(files, key=lambda path: path.stat().st_mtime_ns)):
        file.rename(run / f"events.out.tfevents.{number}")  # written within a second: the order is lost
    result = imported(tmp_path)
    exp = experiment(tmp_path)
    assert logged(exp) == points(run)
    images = EventAccumulator(str(run), size_guidance={"images": 0}).Reload().Images("samples/first")
    assert [event.step for event in exp.events("samples")] == [image.step for image in images]
    superseded = [event for event in exp.events(rewound=True) if event.step is not None]
    live = [event for event in exp.events() if event.step is not None]
    restarts = list(exp.events("tensorboard/session_log"))
    assert [event.data["status"] for event in restarts] == ["START", "START"]
    expected = f"{tmp_path}/back/run: {len(live) - len(restarts) - len(images)} scalars, {len(images)} images, 0 texts"
    hidden = len(superseded) - len(live)
    assert hidden > 0
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"{expected}, {hidden} superseded by restarts\n"
    assert len(exp.metric("train", "loss")[0]) == len(set(exp.metric("train", "loss")[0]))


def test_records_of_a_session_and_messages_are_events(tmp_path: Path) -> None:
    write(
        tmp_path / "tb/run",
        Event(wall_time=1.0, step=3, session_log=SessionLog(status=SessionLog.CHECKPOINT, checkpoint_path="m.ckpt")),
        Event(wall_time=1.0, step=4, log_message=LogMessage(level=LogMessage.WARN, message="slow")),
    )
    assert imported(tmp_path).exit_code == 0
    session, message = experiment(tmp_path).events()
    assert (session.name, session.step, session.data["status"]) == ("tensorboard/session_log", 3, "CHECKPOINT")
    assert session.data["checkpoint_path"] == "m.ckpt"
    assert (message.name, message.data["level"], message.data["message"]) == ("tensorboard/log_message", "WARN", "slow")


def test_records_that_have_no_form_in_mlv_are_counted(tmp_path: Path) -> None:
    write(
        tmp_path / "tb/run",
        Event(wall_time=1.0, graph_def=b"g"),
        Event(wall_time=1.0, tagged_run_metadata=TaggedRunMetadata(tag="step1", run_metadata=b"m")),
        Event(wall_time=1.0, step=1),
    )
    result = imported(tmp_path)
    counted = ["1 of graph_def", "1 of records without content", "1 of tagged_run_metadata"]
    assert (result.exit_code, result.stderr.splitlines()) == (1, [f"run: left out: {what}" for what in counted])


def test_every_image_of_a_batch_is_imported(tmp_path: Path) -> None:
    def png(color: str) -> bytes:
        file = io.BytesIO()
        Image.new("RGB", (4, 4), color).save(file, "PNG")
        return file.getvalue()

    batches = [["red", "green", "blue"], ["black"], []]
    metadata = image_metadata(display_name="Samples", description="*Three* images.")
    events = [
        summary(step, tag, make_tensor_proto([b"4", b"4", *map(png, colors)]), metadata)
        for step, colors in enumerate(batches)
        for tag in ("val/samples", "single")
        if tag == "val/samples" or len(colors) < 2
    ]
    write(tmp_path / "tb/run", *events)
    result = imported(tmp_path)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"{tmp_path}/back/run: 0 scalars, 5 images, 0 texts\n"
    exp = experiment(tmp_path)
    found = [
        (event.step, name, (exp.path / value.path).read_bytes())
        for event in exp.events("val/samples")
        for name, value in event.data.items()
        if isinstance(value, mlvlogger.File)
    ]
    expected = [(0, "0", png("red")), (0, "1", png("green")), (0, "2", png("blue")), (1, "0", png("black"))]
    assert found == expected
    assert "single" in next(iter(exp.events("tensorboard"))).data
    described = {"display_name": "Samples", "description": "*Three* images."}
    assert exp.extra["tensorboard"]["tags"] == {"val/samples": described, "single": described}


def test_scalars_of_every_type_of_number_are_imported(tmp_path: Path) -> None:
    metadata = scalar_metadata(display_name="", description="")
    kinds = [np.float16, np.float32, np.float64, np.uint8, np.int8, np.int16, np.uint16, np.int32, np.int64, np.bool_]
    kinds += [np.uint32, np.uint64]
    events = [summary(1, f"plain/{kind.__name__}", make_tensor_proto(kind(1)), metadata) for kind in kinds]
    for kind in kinds:
        tensor = TensorProto(dtype=make_tensor_proto(kind(1)).dtype, tensor_content=kind(1).tobytes())
        events.append(summary(1, f"packed/{kind.__name__}", tensor, metadata))
    events.append(summary(1, "plain/bfloat16", TensorProto(dtype=14, half_val=[0x3F80]), metadata))
    events.append(Event(wall_time=1.0, step=1, summary=scalar_pb("new/loss", 1.0)))
    write(tmp_path / "tb/run", *events)
    result = imported(tmp_path)
    assert (result.exit_code, result.stderr) == (0, "")
    found = logged(experiment(tmp_path))
    assert found == {tag: [(1, 1)] for tag in found}
    assert len(found) == len(events)


def test_large_unsigned_integers_are_exact(tmp_path: Path) -> None:
    metadata = scalar_metadata(display_name="", description="")
    values: list[Any] = [np.uint64(2**64 - 1), np.uint64(2**53 + 1), np.uint32(2**32 - 1), np.uint32(300), np.uint64(0)]
    write(tmp_path / "tb/run", *(summary(1, f"a/{n}", make_tensor_proto(v), metadata) for n, v in enumerate(values)))
    result = imported(tmp_path)
    assert (result.exit_code, result.stderr) == (0, "")
    assert logged(experiment(tmp_path)) == {f"a/{n}": [(1, int(value))] for n, value in enumerate(values)}


def test_tensors_that_are_no_single_number_are_counted(tmp_path: Path) -> None:
    metadata = scalar_metadata(display_name="", description="")
    repeated = TensorProto(dtype=1, float_val=[0.5])
    repeated.tensor_shape.dim.add(size=3)  # one value for three elements
    write(
        tmp_path / "tb/run",
        summary(1, "repeated", repeated, metadata),
        summary(1, "two", make_tensor_proto(np.array([1, 2], np.float32)), metadata),
        summary(1, "complex", make_tensor_proto(np.complex64(1 + 2j)), metadata),
        summary(1, "unsigned", make_tensor_proto(np.array([1, 2], np.uint64)), metadata),
    )
    result = imported(tmp_path)
    assert (result.exit_code, result.stderr) == (1, "run: left out: 4 of scalars\n")
    assert logged(experiment(tmp_path)) == {}


def test_a_table_of_texts_keeps_its_shape_and_bytes_that_are_not_utf8_are_said(tmp_path: Path) -> None:
    metadata = text_metadata(display_name="", description="")
    write(
        tmp_path / "tb/run",
        summary(1, "a/table", make_tensor_proto(np.array([[b"a", b"b"], [b"c", b"d"]])), metadata),
        summary(1, "a/odd", make_tensor_proto(b"caf\xe9"), metadata),
    )
    result = imported(tmp_path)
    said = "run: 1 texts aren't UTF-8: their other bytes are escaped\n"
    assert (result.exit_code, result.stderr) == (1, said)
    table, odd = (event.data for event in experiment(tmp_path).events("a"))
    assert (table["table"], odd["odd"]) == ([["a", "b"], ["c", "d"]], "caf\\xe9")


def test_equal_tags_in_one_summary_are_all_imported(tmp_path: Path) -> None:
    values = [Summary.Value(tag="a/loss", simple_value=number) for number in (1, 2, 3)]
    values.insert(1, Summary.Value(tag="a/accuracy", simple_value=0.5))
    write(tmp_path / "tb/run", Event(wall_time=1.0, step=1, summary=Summary(value=values)))
    result = imported(tmp_path)
    assert (result.exit_code, result.stdout.split(": ")[1]) == (0, "4 scalars, 0 images, 0 texts\n")
    assert logged(experiment(tmp_path)) == {"a/loss": [(1, 1), (1, 2), (1, 3)], "a/accuracy": [(1, 0.5)]}


def test_two_values_of_a_hyperparameter_are_said_and_the_end_of_the_session_is_kept(tmp_path: Path) -> None:
    for number, lr in enumerate((0.1, 0.2)):
        start = hparams_pb({"lr": lr, "flag": True, "name": "x"}, trial_id="sweep")
        ended = HParamsPluginData(session_end_info=SessionEndInfo(status=STATUS_FAILURE, end_time_secs=5))
        end = Summary.Value(tag="_hparams_/session_end_info", metadata=hparams_metadata(ended))
        events = [Event(wall_time=1.0, summary=part) for part in (start, Summary(value=[end]))]
        write(tmp_path / "tb" / str(number), *events)
        (file,) = (tmp_path / "tb" / str(number)).iterdir()
        (tmp_path / "tb/run").mkdir(exist_ok=True)
        file.rename(tmp_path / f"tb/run/events.out.tfevents.{number}")
    result = imported(tmp_path)
    assert result.exit_code == 1
    first, second = 0.1, 0.2
    said = f"run: the hyperparameter 'lr' is {first} and later {second}: the first value is kept, as in TensorBoard\n"
    assert result.stderr == said
    exp = experiment(tmp_path)
    assert (exp.params, exp.state) == ({"lr": first, "flag": True, "name": "x"}, "failed")
    session = exp.extra["tensorboard"]["hparams"][0]["session_start_info"]
    assert session["group_name"] == "sweep"


def test_values_that_the_logger_does_not_record_are_said(tmp_path: Path) -> None:
    secret = hparams_pb({"lr": 0.1, "api_key": "sk-abcdefghijklmnop1234567890abcd"})
    long = summary(1, "a/note", make_tensor_proto(b"x" * 17_000_000), text_metadata(display_name="", description=""))
    write(tmp_path / "tb/run", Event(wall_time=1.0, summary=secret), long)
    result = imported(tmp_path)
    redacted, too_large = result.stderr.splitlines()
    assert result.exit_code == 1
    assert redacted.startswith("run: params.api_key looks like a secret and was recorded as redacted")
    assert too_large.startswith("run: data.note: the value is a string of 17000000 characters, too large.")


def test_damaged_hyperparameters_are_counted(tmp_path: Path) -> None:
    plugin = SummaryMetadata.PluginData(plugin_name="hparams", content=b"\xff")
    value = Summary.Value(tag="_hparams_/session_start_info", metadata=SummaryMetadata(plugin_data=plugin))
    write(tmp_path / "tb/run", Event(wall_time=1.0, summary=Summary(value=[value])))
    result = imported(tmp_path)
    assert (result.exit_code, result.stderr) == (1, "run: left out: 1 of damaged hyperparameters\n")
    assert experiment(tmp_path).params == {}


def test_symbolic_links_are_followed_as_tensorboard_does_and_others_are_said(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / "all" / name, Event(wall_time=1.0, step=1, summary=scalar_pb("loss", 1.0)))
    logdir = tmp_path / "tb"
    (logdir / "real").mkdir(parents=True)
    (logdir / "selected").symlink_to(tmp_path / "all/a")
    (file,) = (tmp_path / "all/b").iterdir()
    (logdir / "real" / file.name).symlink_to(file)
    result = imported(tmp_path)
    assert (result.exit_code, result.stderr) == (0, "")
    assert {exp.path.name for exp in mlvlogger.read.all(tmp_path / "back")} == {"selected", "real"}
    source = mlvlogger.read(tmp_path / "back/real").extra["tensorboard"]["files"][0]
    assert source.size == file.stat().st_size
    (logdir / "gone").symlink_to(tmp_path / "nothing")
    (logdir / "real/loop").symlink_to(logdir)
    os.mkfifo(logdir / "real/events.out.tfevents.pipe")
    (tmp_path / "back").rename(tmp_path / "before")
    result = imported(tmp_path)
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"{logdir}/gone is left out: the target of the symbolic link does not exist",
        f"{logdir}/real/events.out.tfevents.pipe is left out: it isn't a regular file",
        f"{logdir}/real/loop is left out: the symbolic link leads to a directory that contains it",
    ]
    assert {exp.path.name for exp in mlvlogger.read.all(tmp_path / "back")} == {"selected", "real"}


def test_a_directory_that_cannot_be_searched_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "tb/run", Event(wall_time=1.0, step=1, summary=scalar_pb("loss", 1.0)))
    (tmp_path / "tb/closed").mkdir()
    scandir = os.scandir

    def refuse(path: Any) -> Any:
        if str(path).endswith("closed"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)  # root, who may run this test, searches every directory
    result = imported(tmp_path)
    said = f"{tmp_path}/tb/closed is left out: it cannot be searched: Permission denied\n"
    assert (result.exit_code, result.stderr) == (1, said)


def test_an_import_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    texts = [
        summary(step, "note", make_tensor_proto(b"x" * 50_000), text_metadata(display_name="", description=""))
        for step in range(20)
    ]
    write(tmp_path / "tb/run", *texts)
    command = [sys.executable, "-m", "mlv_tools", "import", "tensorboard", "tb", "new/back"]
    limited = subprocess.run(
        command,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000)),
    )
    assert (limited.returncode, limited.stdout) == (1, "")
    assert limited.stderr.startswith("run: not imported: "), limited.stderr
    assert sorted(os.listdir(tmp_path)) == ["tb"]
    (tmp_path / "new/back").mkdir(parents=True)
    (tmp_path / "new/back/mine").touch()
    subprocess.run(
        command,
        cwd=tmp_path,
        capture_output=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000)),
    )
    assert os.listdir(tmp_path / "new/back") == ["mine"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)


def test_steps_that_go_back_in_a_file_without_a_version_are_said(tmp_path: Path) -> None:
    write(tmp_path / "tb/run", *(Event(step=step, summary=scalar_pb("loss", 1.0)) for step in (1, 2, 1)))
    (file,) = (tmp_path / "tb/run").iterdir()
    content = file.read_bytes()
    length = 16 + struct.unpack("<Q", content[:8])[0]
    file.write_bytes(content[length:])  # as before 2016: without the record of the version
    result = imported(tmp_path)
    assert (result.exit_code, "steps go back 1 times" in result.stderr) == (1, True)


def test_no_two_tags_become_one_metric(tmp_path: Path) -> None:
    tags = ["train/value", "train/step", "train/tag", "train/value~2", "loss", "tensorboard/loss", "value", "step", "/"]
    with tensorboardX.SummaryWriter(str(tmp_path / "tb/run")) as writer:
        for number, tag in enumerate(tags):
            for step in range(2):
                writer.add_scalar(tag, number + step / 2, step)
    assert imported(tmp_path).exit_code == 0
    found = experiment(tmp_path)
    metrics = found.metric_names()
    assert len(metrics) == len(set(metrics)) == len(tags)
    assert sorted(found.metric(*one)[1] for one in metrics) == [[float(i), i + 0.5] for i in range(len(tags))]


def killed(tmp_path: Path, number: int, during: str = "log.jsonl") -> int:
    """Import, and send a signal when a file of the experiment exists; return the exit code."""
    command = [sys.executable, "-m", "mlv_tools", "import", "tensorboard", "tb", "new/back"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not (tmp_path / "new/back/run" / during).exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(number)
    assert process.communicate(timeout=60)[0] == b""
    return process.returncode


def large_run(tmp_path: Path) -> None:
    write(tmp_path / "tb/run", *(Event(step=step, summary=scalar_pb("a/loss", 1.0)) for step in range(40_000)))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
@pytest.mark.parametrize("during", ["log.jsonl", "meta.json", ""])
def test_an_import_that_a_signal_ends_leaves_nothing_behind(tmp_path: Path, number: int, during: str) -> None:
    large_run(tmp_path)
    assert killed(tmp_path, number, during) == (1 if number == signal.SIGINT else 128 + number)
    assert sorted(os.listdir(tmp_path)) == ["tb"]


def test_after_a_kill_the_next_import_says_which_directory_to_delete(tmp_path: Path) -> None:
    large_run(tmp_path)
    assert killed(tmp_path, signal.SIGKILL) == -signal.SIGKILL
    command = [sys.executable, "-m", "mlv_tools", "import", "tensorboard", "tb", "new/back"]
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    said = "If no import is running, delete this directory, and import again."
    assert again.stderr == f"run: not imported: an earlier import of 'new/back/run' didn't end. {said}\n"
    assert again.returncode == 1
    shutil.rmtree(tmp_path / "new/back/run")
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    said = "run: not imported: 'new/back/run' already exists. Choose another SAVEDIR.\n"
    assert (again.returncode, again.stderr) == (1, said)


def test_an_import_does_not_touch_a_directory_with_other_files(tmp_path: Path) -> None:
    write(tmp_path / "tb/run", Event(wall_time=1.0, step=1, summary=scalar_pb("loss", 1.0)))
    (tmp_path / "back/run").mkdir(parents=True)
    (tmp_path / "back/run/mine").touch()
    result = imported(tmp_path)
    said = f"run: not imported: {str(tmp_path / 'back/run')!r} already exists. Choose another SAVEDIR.\n"
    assert (result.exit_code, result.stderr) == (1, said)
    assert os.listdir(tmp_path / "back/run") == ["mine"]
    (tmp_path / "back/run/mine").unlink()
    assert imported(tmp_path).exit_code == 0


def test_a_version_that_is_not_a_number_is_said_and_the_other_runs_are_imported(tmp_path: Path) -> None:
    for run in ("odd", "run"):
        write(tmp_path / "tb" / run, Event(wall_time=1.0, step=1, summary=scalar_pb("a/loss", 1.0)))
    (file,) = (tmp_path / "tb/odd").iterdir()
    events = [
        Event(file_version="brain.Event:x"),
        Event(step=5, summary=scalar_pb("a/loss", 5.0)),
        Event(step=3, session_log=SessionLog(status=SessionLog.START)),
    ]
    writer = RecordWriter(str(file))
    for event in events:
        writer.write(event.SerializeToString())
    writer.close()
    result = imported(tmp_path)
    why = "isn't a number: restarts of the run aren't recognized, and all values are imported"
    assert (result.exit_code, result.stderr) == (1, f"odd: {file}: the version 'brain.Event:x' {why}\n")
    assert logged(experiment(tmp_path, "odd")) == {"a/loss": [(5, 5.0)]}
    assert logged(experiment(tmp_path)) == {"a/loss": [(1, 1.0)]}


def test_wall_times_that_are_no_dates_are_counted_and_come_back(tmp_path: Path) -> None:
    times = [math.nan, 1e300, -math.inf, 1.5]
    write(tmp_path / "tb/run", *(Event(wall_time=time, step=1, summary=scalar_pb("a/loss", 1.0)) for time in times))
    result = imported(tmp_path)
    said = "run: 3 wall times aren't between the years 1 and 9999: they are recorded as strings\n"
    assert (result.exit_code, result.stderr) == (1, said)
    found = [event.data["wall_time"] for event in experiment(tmp_path).events()]
    assert found[:3] == ["nan", "1e+300", "-inf"]
    back = [str(tmp_path / "back"), str(tmp_path / "again")]
    assert CliRunner().invoke(export_tensorboard.command, back).exit_code == 0
    scalars = EventAccumulator(str(tmp_path / "again/run")).Reload().Scalars("a/loss")
    assert repr([one.wall_time for one in scalars]) == repr(times)


def test_a_string_that_reads_as_a_number_is_a_string(tmp_path: Path) -> None:
    metadata = text_metadata(display_name="", description="")
    write(tmp_path / "tb/run", summary(1, "a/odd", make_tensor_proto(b"0.5"), metadata))
    result = imported(tmp_path)
    assert (result.exit_code, result.stderr) == (0, "")
    (event,) = experiment(tmp_path).events("a")
    assert event.data["odd"] == "0.5"
