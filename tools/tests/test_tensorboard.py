"""`mlv export tensorboard` and `mlv import tensorboard`, against TensorBoard itself."""

import json
import math
import re
import struct
import subprocess
import sys
import urllib.request
import zlib

import pytest

from mlv_validate import validate
from mlvlogger import Exp, read

pytest.importorskip("tensorboard", reason="needs the extra tensorboard: pip install 'mlvlogger-tools[tensorboard]'")
pytest.importorskip("tensorboardX")
pytestmark = pytest.mark.filterwarnings("ignore")  # of protobuf, numpy and TensorBoard itself

PNG = b"\x89PNG\r\n\x1a\n" + b"".join(
    struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    for kind, data in [
        (b"IHDR", struct.pack(">IIBBBBB", 2, 1, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"\0\x10\xf0")),
        (b"IEND", b""),
    ]
)


@pytest.fixture
def tree(tmp_path):
    """An experiment with a rewind, special values, an image and a stream; one below it; and one that is broken."""
    with Exp(tmp_path / "runs", "e", {"lr": 0.1, "opt": {"name": "adam"}, "seed": 2**70, "flag": True}) as exp:
        mark = None
        for step in range(10):
            exp.log.event("train/batch", step=step, loss=1 / (step + 3), accuracy=step / 10)
            mark = exp.mark() if step == 4 else mark
        exp.rewind(mark)
        for step in range(5, 8):
            exp.log.event("train/batch", step=step, loss=-step, accuracy=0)
        exp.log.event("odd", step=1, up=float("inf"), gone=float("nan"))
        exp.log.event("counted", x=5)
        exp.log.event("counted", x=6)
        with exp.create("sample.png") as file:
            file.write(PNG)
        exp.log.event("sample", step=3, image=file.ref)
        exp.stream("gpu").event("memory", step=0, used=7)
    Exp.find(exp.path).sub("s", {"ratio": 0.5}, kind="part").close()
    (tmp_path / "runs/broken").mkdir()
    (tmp_path / "runs/broken/meta.json").write_text("{")
    return tmp_path / "runs"


def rounded(value):
    """As 32 bits hold it."""
    return struct.unpack("f", struct.pack("f", value))[0]


def test_scalars_images_params_and_wall_times_are_those_of_the_experiment(mlv, tree, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    output = mlv("export", "tensorboard", "runs", "tb", exit=1)
    assert "e: 21 scalars, 1 images" in output and "left out broken: " in output
    accumulator = EventAccumulator(str(tmp_path / "tb/e"), size_guidance={"scalars": 0, "images": 0})
    accumulator.Reload()
    run = read(tree / "e")
    steps, values = run.metric("train/batch", "loss")
    found = accumulator.Scalars("train/batch/loss")
    assert [(one.step, one.value) for one in found] == list(zip(steps, map(rounded, values), strict=True))
    times = [event.time.timestamp() for event in run.events("train/batch")]
    assert [one.wall_time for one in found] == times
    assert [one.step for one in accumulator.Scalars("counted/x")] == [0, 1]
    assert accumulator.Scalars("gpu/memory/used")[0].value == 7
    assert accumulator.Scalars("odd/up")[0].value == math.inf and math.isnan(accumulator.Scalars("odd/gone")[0].value)
    [image] = accumulator.Images("sample/image")
    assert (image.step, image.width, image.height, image.encoded_image_string) == (3, 2, 1, PNG)


def test_a_directory_that_is_not_empty_is_not_written_to_unasked(mlv, tree, tmp_path):
    (tmp_path / "tb").mkdir()
    (tmp_path / "tb/mine").write_text("x")
    assert "tb is not empty" in mlv("export", "tensorboard", "runs/e", "tb", exit=1)
    mlv("export", "tensorboard", "runs/e", "tb", "--force")


def test_a_real_tensorboard_shows_them(mlv, tree, tmp_path):
    mlv("export", "tensorboard", "runs", "tb", exit=1)
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", "tb", "--port", "0", "--load_fast", "false"]
    server = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        for line in server.stdout:
            if found := re.search(r"http://\S+?:(\d+)/", line):
                port = found[1]
                break

        def ask(path):
            with urllib.request.urlopen(f"http://localhost:{port}/data/plugin/{path}", timeout=30) as answer:
                return json.load(answer)

        tags = ask("scalars/tags")
        assert {"e", "e/part/s"} >= set(tags) and "train/batch/loss" in tags["e"]
        rows = ask("scalars/scalars?run=e&tag=train%2Fbatch%2Floss")
        assert [row[1] for row in rows] == read(tree / "e").metric("train/batch", "loss")[0]
        assert "sample/image" in ask("images/tags")["e"]
    finally:
        server.kill()
        server.communicate()


def test_there_and_back_every_scalar_is_kept_within_32_bits(mlv, tree, tmp_path):
    mlv("export", "tensorboard", "runs/e", "tb")
    output = mlv("import", "tensorboard", "tb", "back")
    assert "21 scalars, 1 images, 0 texts" in output
    first, again = read(tree / "e"), read(tmp_path / "back/e")
    for event, name in (("train/batch", "loss"), ("train/batch", "accuracy"), ("odd", "up"), ("odd", "gone")):
        steps, values = first.metric(event, name)
        found = again.metric(event, name)
        assert found[0] == steps
        assert [*map(repr, found[1])] == [repr(rounded(value)) for value in values]
    assert [event.time for event in first.events("train/batch")] == [
        event.data["wall_time"] for event in again.events("train/batch")
    ]
    assert (again.params["lr"], again.params["opt.name"], again.params["flag"]) == (0.1, "adam", True)
    [event] = [event for event in again.events("sample")]
    assert (again.path / event.data["image"].path).read_bytes() == PNG


def test_an_imported_experiment_validates_and_says_where_it_came_from(mlv, tree, tmp_path):
    mlv("export", "tensorboard", "runs/e", "tb")
    mlv("import", "tensorboard", "tb", "back")
    report = validate(tmp_path / "back", sealed=True)
    assert (report.verdict, [t.findings for t in report.targets]) == ("valid", [()] * len(report.targets)) or (
        report.verdict == "valid" and not any(t.findings for t in report.targets)
    )
    run = read(tmp_path / "back/e")
    origin = run.extra["imported"]
    [file] = origin["files"]
    assert (run.kind, origin["format"], origin["run"]) == ("import", "tensorboard", "e")
    assert file.path.startswith(str(tmp_path / "tb/e/events.out.tfevents"))
    assert "left out e: " in mlv("import", "tensorboard", "tb", "back", exit=1)


def test_of_a_truncated_file_what_is_whole_is_imported_and_the_rest_is_said(mlv, tree, tmp_path):
    mlv("export", "tensorboard", "runs/e", "tb")
    [file] = (tmp_path / "tb/e").glob("*tfevents*")
    file.write_bytes(file.read_bytes()[:-7])
    command = [sys.executable, "-m", "mlv_tools", "import", "tensorboard", "tb", "back"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and "21 scalars, 0 images" in done.stdout
    assert re.search(
        r"left out of e: the last \d+ bytes of events.out.tfevents\S+, which are no whole record", done.stderr
    )


def test_what_the_class_of_torch_like_writers_adds_is_imported(mlv, tmp_path):
    import numpy as np
    from tensorboardX import SummaryWriter

    with SummaryWriter(str(tmp_path / "tb/a b")) as writer:
        writer.add_scalar("loss", 0.5, 3, walltime=1e9)
        writer.add_text("note", "hello", 1)
        writer.add_histogram("weights", np.arange(5.0), 1)
    output = mlv("import", "tensorboard", "tb", "back")
    assert "a b: back/a-b, 1 scalars, 0 images, 1 texts" in output
    run = read(tmp_path / "back/a-b")
    [event] = run.events("scalar")
    assert (event.data["step"], event.data["loss"], event.data["wall_time"].timestamp()) == (3, 0.5, 1e9)
    assert "hello" in repr([event.data for event in run.events()])


def test_a_directory_without_event_files_says_so(mlv, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "has no event files" in mlv("import", "tensorboard", "empty", "back", exit=1)
