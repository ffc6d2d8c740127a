"""Runs of TensorBoard: written, opened by TensorBoard itself, and read back."""

import gzip
import json
import math
import os
import re
import struct
import subprocess
import sys
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import mlvlogger
from mlvlogger import Exp

if "MLV_REQUIRE_ALL" not in os.environ:
    pytest.importorskip("tensorboardX", reason="needs mlvlogger-tools[tensorboard]")
    pytest.importorskip("tensorboard", reason="needs tensorboard>=2.21, to open what was written")

from PIL import Image
from tensorboardX import SummaryWriter

from mlv_tools._commands import export_tensorboard, import_tensorboard

pytestmark = pytest.mark.filterwarnings("default")  # those of tensorboard, and of what it imports


EXPORTED = "2 experiments, 9 scalars, 1 images\nwithout a form in TensorBoard: 1 booleans, 1 texts\n"


def run(module: Any, *arguments: object) -> Result:
    return CliRunner().invoke(module.command, [str(argument) for argument in arguments])


def accumulated(directory: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(directory), size_guidance={"scalars": 0, "images": 0}).Reload()


def float32(value: Any) -> float:
    return float(struct.unpack("f", struct.pack("f", value))[0])


def same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    with Exp(tmp_path / "runs", "demo", {"lr": 3e-4, "big": 2**70, "deep": {"on": True}, "l": [1]}) as exp:
        for step in range(3):
            exp.log.event("epoch/batch", step=step, loss=1 / (step + 3), accuracy=step)
        mark = exp.mark()
        exp.log.event("epoch/batch", step=3, loss=99)
        exp.rewind(mark)
        exp.log.event("epoch/batch", step=3, loss=float("nan"), accuracy=float("-inf"), ok=True, text="x")
        with exp.create("samples/7.png") as picture:
            Image.new("RGB", (4, 3), "red").save(picture, "PNG")
        exp.log.event("samples", step=7, image=picture.ref)
        exp.stream("gpu").event("memory", used=3)
        exp.sub("child", {"ratio": 0.5}, kind="squeeze").close()
    return tmp_path / "runs"


def test_the_reader_of_tensorboard_reads_the_logged_values(runs: Path, tmp_path: Path) -> None:
    result = run(export_tensorboard, runs, tmp_path / "tb")
    assert (result.exit_code, result.output) == (0, EXPORTED)
    read = accumulated(tmp_path / "tb/demo")
    assert sorted(read.Tags()["scalars"]) == ["epoch/batch/accuracy", "epoch/batch/loss"]
    events = list(mlvlogger.read(runs / "demo").events("epoch/batch"))
    for name in ("loss", "accuracy"):
        scalars = read.Scalars(f"epoch/batch/{name}")
        assert [(one.step, one.wall_time) for one in scalars] == [(e.data["step"], e.time.timestamp()) for e in events]
        assert all(same(one.value, float32(e.data[name])) for one, e in zip(scalars, events, strict=True))
    (image,) = read.Images("samples/image")
    picture = (runs / "demo/files/samples/7.png").read_bytes()
    assert (image.step, image.width, image.height, image.encoded_image_string) == (7, 4, 3, picture)
    assert accumulated(tmp_path / "tb/demo/log/gpu").Tags()["scalars"] == ["memory/used"]


def test_a_broken_experiment_is_reported_and_hides_no_other(runs: Path, tmp_path: Path) -> None:
    Exp(runs, "broken").close()
    (runs / "broken/meta.json").chmod(0o644)
    (runs / "broken/meta.json").write_text('{"mlv": "1.0"')
    result = run(export_tensorboard, runs, tmp_path / "tb")
    assert result.exit_code == 1
    assert f"mlv-validate {runs / 'broken'}" in result.stderr
    assert result.stdout == EXPORTED


def test_an_image_outside_of_the_experiment_or_changed_is_omitted(tmp_path: Path) -> None:
    with Exp(tmp_path / "runs", "demo") as exp:
        for name in ("a", "b"):
            with exp.create(f"{name}.png") as picture:
                Image.new("RGB", (1, 1)).save(picture, "PNG")
            exp.log.event(name, image=picture.ref)
    (exp.path / "files/a.png").rename(tmp_path / "secret.png")
    (exp.path / "files/a.png").symlink_to(tmp_path / "secret.png")
    file = exp.path / "files/b.png"
    file.chmod(0o644)
    file.write_bytes(b"x")
    result = run(export_tensorboard, tmp_path / "runs", tmp_path / "tb")
    assert (result.exit_code, result.stdout) == (1, "1 experiments, 0 scalars, 0 images\n")
    assert "leads outside of the experiment" in result.stderr
    assert "its digest differs from the recorded one" in result.stderr


def test_numbers_beyond_float32_become_infinities_and_are_reported(tmp_path: Path) -> None:
    with Exp(tmp_path / "runs", "demo", {"x": float("nan")}) as exp:
        exp.log.event("a", v=1e300, w=-(10**400), x=float("inf"), y=2**70, step=2**70)
    result = run(export_tensorboard, tmp_path / "runs", tmp_path / "tb")
    message = "demo: log.jsonl: 2 numbers are beyond float32 and became infinities\n"
    assert (result.exit_code, result.stderr) == (1, message)
    read = accumulated(tmp_path / "tb/demo")
    values = {name: [(one.step, one.value) for one in read.Scalars(f"a/{name}")] for name in "vwxy"}
    assert values == {"v": [(0, math.inf)], "w": [(0, -math.inf)], "x": [(0, math.inf)], "y": [(0, 2.0**70)]}


@pytest.mark.parametrize("name", ["图表.png", "aux.png", "x" * 200 + ".png", os.fsdecode(b"\xff.png")], ids=ascii)
def test_an_image_file_of_any_name_is_exported(tmp_path: Path, name: str) -> None:
    Image.new("RGB", (2, 2), "red").save(tmp_path / name, "PNG")
    with Exp(tmp_path / "runs", "demo") as exp:
        exp.log.event("figure", image=exp.attach(tmp_path / name))
    result = run(export_tensorboard, tmp_path / "runs", tmp_path / "tb")
    assert (result.exit_code, result.output) == (0, "1 experiments, 0 scalars, 1 images\n")
    (image,) = accumulated(tmp_path / "tb/demo").Images("figure/image")
    assert image.encoded_image_string == (tmp_path / name).read_bytes()


def test_a_lone_surrogate_in_a_parameter_is_escaped(tmp_path: Path) -> None:
    with Exp(tmp_path / "runs", "demo", {"text": "\ud800", "list": ["\udcff"]}) as exp:
        exp.log.event("a", x=1)
    result = run(export_tensorboard, tmp_path / "runs", tmp_path / "tb")
    assert (result.exit_code, result.stderr) == (0, "")
    run(import_tensorboard, tmp_path / "tb", tmp_path / "back")
    assert mlvlogger.read(tmp_path / "back/demo").params == {"text": r"\ud800", "list": r'["\udcff"]'}


def test_a_directory_that_is_not_empty_is_written_only_with_an_option(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "tb").mkdir()
    (tmp_path / "tb/mine").touch()
    assert run(export_tensorboard, runs, tmp_path / "tb").exit_code == 2
    assert [path.name for path in (tmp_path / "tb").iterdir()] == ["mine"]
    assert run(export_tensorboard, runs, tmp_path / "tb", "--add").exit_code == 0


def test_tensorboard_itself_shows_the_scalars_and_the_parameters(runs: Path, tmp_path: Path) -> None:
    run(export_tensorboard, runs, tmp_path / "tb")
    server = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tensorboard.main",
            "--logdir",
            str(tmp_path / "tb"),
            "--port",
            "0",
            "--host",
            "127.0.0.1",
        ]
        + ["--load_fast", "false", "--reload_interval", "0"],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stderr
        address = next(match[0] for line in server.stderr if (match := re.search(r"http://\S+/", line)))

        def ask(path: str, body: bytes | None = None) -> Any:
            request = urllib.request.Request(address + path, body, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)

        tags = {run: sorted(tags) for run, tags in ask("data/plugin/scalars/tags").items() if tags}
        assert tags == {"demo": ["epoch/batch/accuracy", "epoch/batch/loss"], "demo/log/gpu": ["memory/used"]}
        points = ask("data/plugin/scalars/scalars?run=demo&tag=epoch/batch/accuracy")
        assert [(step, value) for _, step, value in points] == [(0, 0), (1, 1), (2, 2), (3, "-Infinity")]
        assert list(ask("data/plugin/images/tags")["demo"]) == ["samples/image"]
        asked = {"colParams": [], "allowedStatuses": ["STATUS_SUCCESS"], "startIndex": 0, "sliceSize": 9}
        groups = ask("data/plugin/hparams/session_groups", json.dumps(asked).encode())["sessionGroups"]
        assert {"lr": 3e-4, "big": str(2**70), "deep.on": True, "l": "[1]"} in [group["hparams"] for group in groups]
    finally:
        server.terminate()
        server.wait(30)
        assert server.stderr
        server.stderr.close()


def test_the_round_trip_keeps_scalars_within_float32_steps_times_and_images(runs: Path, tmp_path: Path) -> None:
    run(export_tensorboard, runs, tmp_path / "tb")
    result = run(import_tensorboard, tmp_path / "tb", tmp_path / "back")
    assert result.exit_code == 0, result.output
    valid = [sys.executable, "-m", "mlv_validate", "--require-sealed", str(tmp_path / "back")]
    subprocess.run(valid, check=True, capture_output=True)
    before, after = mlvlogger.read(runs / "demo"), mlvlogger.read(tmp_path / "back/demo")
    for name in ("loss", "accuracy"):
        steps, values = before.metric("epoch/batch", name)
        again, kept = after.metric("epoch/batch", name)
        assert steps == again and all(map(same, map(float32, values), kept)) and len(values) == len(kept)
    pairs = list(zip(before.events("epoch/batch"), after.events("epoch/batch"), strict=True))
    assert pairs
    # A double holds the seconds since 1970 to a quarter of a microsecond.
    assert all(abs((new.data["wall_time"] - old.time).total_seconds()) <= 1e-6 for old, new in pairs)
    (image,) = (event.data["image"] for event in after.events("samples"))
    assert (after.path / image.path).read_bytes() == (runs / "demo/files/samples/7.png").read_bytes()
    assert after.params == {"lr": 3e-4, "big": str(2**70), "deep.on": True, "l": "[1]"}
    (source,) = after.extra["tensorboard"]["files"]
    assert source == mlvlogger.ref(source.path)
    second = run(import_tensorboard, tmp_path / "tb", tmp_path / "back")
    assert (second.exit_code, second.stdout) == (1, "")


def test_awkward_tags_texts_and_scalars_are_imported_and_exported_unchanged(tmp_path: Path) -> None:
    tags = ["loss", "a//b", "/x", "mlv/y", "a/step", "a/wall_time", "a/tag", "a/b\nc", "ü/ö", "a/" + "b" * 2000]
    directory = tmp_path / "tb/torch run (1)"
    from tensorboardX.event_file_writer import EventsWriter
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboardX.proto.tensor_pb2 import TensorProto

    directory.mkdir(parents=True)
    writer = EventsWriter(str(directory / "events"))
    for tag in tags:
        values = [Summary.Value(tag=tag, simple_value=0.5)]
        writer.write_event(Event(wall_time=-86400.5, step=-3, summary=Summary(value=values)))
    plugin = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="scalars"))
    for step, tensor in enumerate(
        [TensorProto(dtype=1, float_val=[1.5]), TensorProto(dtype=2, tensor_content=struct.pack("<d", 2.5))]
    ):
        metadata = plugin if step == 0 else None  # TensorFlow says it with the first alone
        value = Summary.Value(tag="new", tensor=tensor, metadata=metadata)
        writer.write_event(Event(wall_time=math.inf, step=step, summary=Summary(value=[value])))
    writer.close()
    with SummaryWriter(str(directory), filename_suffix=".more") as more:
        more.add_text("note", "<b>text</b>", 1)
        more.add_histogram("weights", [1, 2, 3], 1)
    result = run(import_tensorboard, tmp_path / "tb", tmp_path / "back")
    assert result.exit_code == 1 and "wall times aren't" in result.stderr
    counts = f"{len(tags) + 2} scalars, 0 images, 1 texts, 1 histograms"
    assert result.stdout == f"{tmp_path / 'back/torch_run_1-a96b7fc13a2b8e48'}: {counts}\n"
    imported = mlvlogger.read(tmp_path / "back/torch_run_1-a96b7fc13a2b8e48")
    events = list(imported.events())
    assert events[0].data["wall_time"] == datetime(1969, 12, 30, 23, 59, 59, 500000, tzinfo=UTC)
    assert [event.data.get("new") for event in events if "new" in event.data] == [1.5, 2.5]
    run(export_tensorboard, tmp_path / "back", tmp_path / "again")
    read = accumulated(tmp_path / "again/torch_run_1-a96b7fc13a2b8e48")
    assert sorted(read.Tags()["scalars"]) == sorted([*tags, "new"])
    assert {(one.step, one.wall_time) for tag in tags for one in read.Scalars(tag)} == {(-3, -86400.5)}


def event_file(directory: Path, *values: Any, step: int = 0) -> Path:
    """Write one event file with one event for each of *values*."""
    from tensorboardX.event_file_writer import EventsWriter
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.proto.summary_pb2 import Summary

    directory.mkdir(parents=True, exist_ok=True)
    writer = EventsWriter(str(directory / "events"))
    for value in values:
        writer.write_event(Event(wall_time=1.0, step=step, summary=Summary(value=[value])))
    writer.close()
    (path,) = directory.glob("*tfevents*")
    return path


ODD_RUNS = {
    "实验": "5e42855db36df8e9",
    "实验2": "2-5b4901fed5b0389f",
    "con": "con-1143da2bc54c495c",
    "a/b": "a_b-2",
    "a_b": "a_b-3",
    "A_B": "A_B",
    "lr=0.1, bs=32": "lr_0.1_bs_32-db7b0a503c31c7c7",
    ".hidden": "hidden-1692419006a88aab",
    "x" * 150: "x" * 83 + "-a09244d54a7ed6e9",
    os.fsdecode(b"bad\xff"): "bad-e7d52777c5e5552b",
}


def test_runs_of_any_name_are_imported_and_no_two_names_differ_only_by_case(tmp_path: Path) -> None:
    from tensorboardX.proto.summary_pb2 import Summary

    for number, name in enumerate(ODD_RUNS):
        event_file(tmp_path / "tb" / name, Summary.Value(tag="loss", simple_value=number))
    result = run(import_tensorboard, tmp_path / "tb", tmp_path / "back")
    assert (result.exit_code, result.stderr) == (0, "")
    found = {exp.extra["tensorboard"]["run"]: exp.path.name for exp in mlvlogger.read.all(tmp_path / "back")}
    assert found == ODD_RUNS
    losses = [mlvlogger.read(tmp_path / "back" / name).metric("tensorboard", "loss")[1] for name in found.values()]
    assert sorted(losses) == [[float(number)] for number in range(len(ODD_RUNS))]
    assert len({name.lower() for name in found.values()}) == len(ODD_RUNS)
    subprocess.run([sys.executable, "-m", "mlv_validate", tmp_path / "back"], check=True, capture_output=True)


def test_images_of_any_tag_and_step_are_imported(tmp_path: Path) -> None:
    from tensorboardX.proto.summary_pb2 import Summary

    tags = ["samples/image", "samples_image", "图/表", "图", "aux", "NUL/1", "", "/", "..", "x" * 150, "samples/Image"]
    values = [
        Summary.Value(tag=tag, image=Summary.Image(encoded_image_string=b"\x89PNG" + bytes([number])))
        for number, tag in enumerate(tags)
    ]
    event_file(tmp_path / "tb/demo", *values, step=-3)
    result = run(import_tensorboard, tmp_path / "tb", tmp_path / "back")
    assert (result.exit_code, result.stderr) == (0, "")
    demo = mlvlogger.read(tmp_path / "back/demo")
    files = [value for event in demo.events() for value in event.data.values() if isinstance(value, mlvlogger.File)]
    assert len({file.path.lower() for file in files}) == len(tags)
    assert all(file.media_type == "image/png" for file in files)
    assert [(demo.path / file.path).read_bytes()[-1] for file in files] == list(range(len(tags)))
    assert files[0].path == "files/samples_image/3-158229d9243f25f7.png"
    subprocess.run([sys.executable, "-m", "mlv_validate", tmp_path / "back"], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n",
            "is a pointer of Git LFS. Run git lfs pull",
        ),
        (gzip.compress(b"events"), "is compressed with gzip. Decompress the file"),
        (b"", "has no records"),
        (
            b"Version: 1.0\n\nRestoreWorkspace: Default\n",
            "isn't an event file: the record at byte 0 has a damaged length",
        ),
    ],
    ids=["lfs", "gzip", "empty", "text"],
)
def test_a_file_without_records_is_reported_and_leaves_no_experiment(
    tmp_path: Path, content: bytes, message: str
) -> None:
    from tensorboardX.proto.summary_pb2 import Summary

    (tmp_path / "tb/bad").mkdir(parents=True)
    (tmp_path / "tb/bad/events.tfevents.1").write_bytes(content)
    event_file(tmp_path / "tb/good", Summary.Value(tag="loss", simple_value=1))
    (tmp_path / "tb/good/events.tfevents.0").write_bytes(content)
    result = run(import_tensorboard, tmp_path / "tb", tmp_path / "back")
    assert result.exit_code == 1
    bad, good = result.stderr.splitlines()
    assert bad == f"bad: not imported: {tmp_path}/tb/bad/events.tfevents.1 {message}"
    assert good == f"good: {tmp_path}/tb/good/events.tfevents.0 {message}"
    assert [exp.path.name for exp in mlvlogger.read.all(tmp_path / "back")] == ["good"]
    assert os.listdir(tmp_path / "back") == ["good"]


@pytest.mark.parametrize("damage", ["cut", "flip"])
def test_a_damaged_event_file_is_reported_and_imported_up_to_the_damage(
    runs: Path, tmp_path: Path, damage: str
) -> None:
    run(export_tensorboard, runs, tmp_path / "tb")
    (file,) = (tmp_path / "tb/demo").glob("*tfevents*")
    content = bytearray(file.read_bytes())
    if damage == "cut":
        del content[-3:]
    else:
        content[-20] ^= 1
    file.write_bytes(content)
    result = run(import_tensorboard, tmp_path / "tb", tmp_path / "back")
    assert result.exit_code == 1
    assert {"cut": "is cut off", "flip": "does not match its checksum"}[damage] in result.stderr
    assert mlvlogger.read(tmp_path / "back/demo").metric("epoch/batch", "accuracy")[0] == [0, 1, 2, 3]


def test_parameters_of_one_spelling_are_both_exported(tmp_path: Path) -> None:
    Exp(tmp_path / "runs", "e", {"optimizer.lr": 0.5, "optimizer": {"lr": 0.25}}).close()
    assert run(export_tensorboard, tmp_path / "runs", tmp_path / "tb").exit_code == 0
    assert hyperparameters(tmp_path / "tb/e") == {'"optimizer.lr"': 0.5, "optimizer.lr": 0.25}


def test_names_of_hyperparameters_come_back_as_they_were(tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path / "in/e")) as writer:
        writer.add_hparams({"optimizer.lr": 0.5, "a": 1.0}, {"loss": 1.0}, name=".")
    assert run(import_tensorboard, tmp_path / "in", tmp_path / "runs").exit_code == 0
    assert run(export_tensorboard, tmp_path / "runs", tmp_path / "out").exit_code == 0
    (found,) = (tmp_path / "out").iterdir()
    assert hyperparameters(found) == {"optimizer.lr": 0.5, "a": 1.0}


def hyperparameters(directory: Path) -> dict[str, float]:
    from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData

    content = accumulated(directory).SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    data = HParamsPluginData.FromString(content)
    return {name: value.number_value for name, value in data.session_start_info.hparams.items()}


def test_metrics_and_images_of_one_tag_are_not_merged(tmp_path: Path) -> None:
    with Exp(tmp_path / "runs", "e") as exp:
        for step in range(2):
            exp.log.event("a/b", step=step, c=1)
            exp.log.event("a", {"step": step, "b/c": 2, "x/y": 3})
    assert run(export_tensorboard, tmp_path / "runs", tmp_path / "tb").exit_code == 0
    read = accumulated(tmp_path / "tb/e")
    found = {tag: [one.value for one in read.Scalars(tag)] for tag in read.Tags()["scalars"]}
    assert found == {"a/b/c": [1, 1], 'a/"b/c"': [2, 2], "a/x/y": [3, 3]}


def test_equal_tags_of_one_summary_are_all_imported(tmp_path: Path) -> None:
    from tensorboardX.event_file_writer import EventsWriter
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.proto.summary_pb2 import Summary

    (tmp_path / "in/e").mkdir(parents=True)
    writer = EventsWriter(str(tmp_path / "in/e/events"))
    values = [("a/x", 1), ("a/y", 2), ("a/x", 3), ("a/x", 4), ("tag", 5), ("tag", 6)]
    summary = Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values])
    writer.write_event(Event(wall_time=1.0, step=7, summary=summary))
    writer.close()
    result = run(import_tensorboard, tmp_path / "in", tmp_path / "runs")
    assert result.exit_code == 0 and "6 scalars" in result.output
    (found,) = mlvlogger.read.all(tmp_path / "runs")
    assert found.metric("a", "x") == ([7] * 3, [1, 3, 4]) and found.metric("a", "y") == ([7], [2])
    assert found.metric("tensorboard", "value")[1] == [5, 6]


def test_a_hyperparameter_that_changed_is_reported(tmp_path: Path) -> None:
    from tensorboardX.event_file_writer import EventsWriter
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.summary import hparams

    (tmp_path / "in/e").mkdir(parents=True)
    writer = EventsWriter(str(tmp_path / "in/e/events"))
    for lr in (0.5, 0.25):
        _, started, _ = hparams({"lr": lr, "same": 1.0}, {})
        writer.write_event(Event(wall_time=1.0, summary=started))
    writer.close()
    result = run(import_tensorboard, tmp_path / "in", tmp_path / "runs")
    said = "e: the hyperparameter 'lr' is 0.5 and later 0.25: the first value is kept, as in TensorBoard\n"
    assert (result.exit_code, result.stderr) == (1, said)
