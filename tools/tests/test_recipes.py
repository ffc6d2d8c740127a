"""The recipes of docs/how-to/exchange.md, run verbatim, and trackio."""

import json
import math
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import mlvlogger
from mlvlogger import Exp, read

PAGE = Path(__file__).parents[2] / "docs/how-to/exchange.md"
pytestmark = pytest.mark.filterwarnings("default")  # those of the trackers, and of what they import


def needs(module: str) -> None:
    if "MLV_REQUIRE_ALL" not in os.environ:
        pytest.importorskip(module, reason=f"needs {module}: the tox environment exchange has it")


def recipe(function: str) -> Any:
    (code,) = (
        code for code in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S) if f"def {function}(" in code
    )
    namespace: dict[str, Any] = {}
    exec(compile(code, str(PAGE), "exec"), namespace)
    return namespace[function]


def records_of(content: bytes) -> Iterator[bytes]:
    """The records of a log in the form of LevelDB: blocks of 32 KiB, in them parts with a header of 7 bytes."""
    position, record = 7, b""  # after the header of the file
    while position + 7 <= len(content):
        if 32768 - position % 32768 < 7:
            position += 32768 - position % 32768
            continue
        length, part = int.from_bytes(content[position + 4 : position + 6], "little"), content[position + 6]
        if position + 7 + length > len(content):
            return  # it is being written
        record += content[position + 7 : position + 7 + length]
        position += 7 + length
        if part in (1, 4):  # whole, or the last part
            yield record
            record = b""


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    with Exp(tmp_path / "runs", "demo", {"lr": 3e-4}, kind="train") as exp:
        for step in range(1200):
            exp.log.event("batch", step=step, loss=1 / (step + 1))
    return exp.path


def test_mlflow_has_every_metric_and_parameter(experiment: Path, tmp_path: Path) -> None:
    needs("mlflow")
    from mlflow import MlflowClient

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    run_id = recipe("to_mlflow")(experiment, uri)
    client = MlflowClient(tracking_uri=uri)
    history = client.get_metric_history(run_id, "batch/loss")
    assert sorted((one.step, one.value) for one in history) == [(step, 1 / (step + 1)) for step in range(1200)]
    run = client.get_run(run_id)
    assert (run.data.params, run.info.status) == ({"lr": "0.0003"}, "FINISHED")


SUITE = Path(__file__).parents[2] / "conformance/suite/vectors"
# Names of metrics that other trackers refuse or take for something else, with those of the conformance suite.
NAMES = [
    *(
        "MAP@100",
        "timing(s)/gen",
        "huber[delta=1.3]",
        "a//b",
        "/x",
        "x/",
        "..",
        "../x",
        ".",
        "",
        "é",
        "\ud800",
        "a:b",
        "a%b",
    ),
    *("x" * 300, "_wandb", "_step", "_timestamp", "time", "a#b", "a@b", "A"),
    *(one["model"] for one in json.loads((SUITE / "names.json").read_text())["vectors"] if "breaks" not in one),
]
VALUES = {"int": 10**400, "negative": -(10**400), "nan": math.nan, "inf": math.inf, "small": 5e-324, "2**63": 2**63}
STEPS = [None, 0.5, "3", 2**70, -5, True, 10.0, math.nan, [1], 2**53]
NOT_METRICS = {"yes": True, "none": None, "text": "\ud800", "list": [1.0], "nested": {"x": 1.0}}
PARAMS = {
    **{name: "v" for name in NAMES if name != "\ud800"},
    **{
        "big": 10**3999,
        "surrogate": "\ud800",
        "bytes": b"x",
        "nan": math.nan,
        "long": "y" * 9000,
        "deep": {"a": {"b": 1}},
    },
}


def odd_experiment(runs: Path) -> Path:
    """An experiment with every odd name, value and step."""
    with Exp(runs, "odd", PARAMS, kind="train") as exp:
        for name in NAMES:
            exp.log.event("names", {name: 1.5})
        for step in STEPS:
            exp.log.event("steps", {"step": step, "loss": 1.0})
        exp.log.event("values", {**VALUES, **NOT_METRICS})
        for name in NAMES:
            if name.isprintable() and all(name.split("/")):
                exp.log.event(name, loss=1)
    return exp.path


WRITING: list[Exp] = []


def ended(runs: Path, state: str) -> Path:
    """An experiment in this state."""
    exp = Exp(runs, state, kind="train")
    exp.log.event("batch", step=0, loss=1.0)
    if state == "open":
        WRITING.append(exp)  # an experiment that is dropped ends
    elif state == "paused":
        exp.log.pause()
        exp.close()
    else:
        exp.close(state)
    assert read(exp.path).state == state
    return exp.path


def test_mlflow_has_every_metric_of_any_name_value_and_step(tmp_path: Path) -> None:
    needs("mlflow")
    from mlflow import MlflowClient

    path = odd_experiment(tmp_path / "runs")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    run_id = recipe("to_mlflow")(path, uri)
    client = MlflowClient(tracking_uri=uri)
    run = client.get_run(run_id)

    def points(key: str) -> list[tuple[int, float]]:
        return [(one.step, one.value) for one in client.get_metric_history(run_id, key)]

    assert run.info.status == "FINISHED"
    experiment = read(path)
    metrics = [(event.name, name) for event in experiment.events() for name in event.metrics]
    assert len(run.data.metrics) == len(set(metrics)), "two metrics became one"
    assert sum(len(points(key)) for key in run.data.metrics) == len(metrics)
    assert points("names/MAP_100-f12acdca04911a70") == [(0, 1.5)]
    steps = experiment.metric("steps", "loss")[0]
    expected = [number if abs(step) > 2**63 else step for number, step in enumerate(steps)]
    assert sorted(step for step, _ in points("steps/loss")) == sorted(expected)
    largest = sys.float_info.max  # instead of an infinity
    values = {key: value for key, value in run.data.metrics.items() if key.startswith("values/")}
    assert math.isnan(values.pop("values/nan"))
    assert sorted(values.values()) == [-largest, 5e-324, 2.0**63, largest, largest]
    assert len(run.data.params) == len(PARAMS)
    assert run.data.params["surrogate"] == r"\ud800"


# Each metric has its own value: of events and names that read the same if they are joined with `/`.
ALIKE = [("a/b", "c"), ("a", "b/c"), ("a", '"b/c"'), ('a/"b', 'c"'), ("a", "b/step"), ("a/b", "d"), ("x", "y/z")]


def experiment_of_alike_names(runs: Path) -> Path:
    with Exp(runs, "alike", kind="train") as exp:
        for number, (event, name) in enumerate(ALIKE):
            exp.log.event(event, {"step": 100 + number, name: number})
        exp.stream("gpu").event("memory", used=1)
    with (exp.path / "log.jsonl").open("a") as log:
        log.write("garbled\n")
    return exp.path


def test_mlflow_merges_no_two_metrics_and_changes_are_said(tmp_path: Path) -> None:
    needs("mlflow")
    from mlflow import MlflowClient

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    to_mlflow = recipe("to_mlflow")
    path = experiment_of_alike_names(tmp_path / "runs")
    with pytest.warns(UserWarning, match=r"^log.jsonl:10: "), pytest.warns(UserWarning, match="^log/gpu.jsonl is left"):
        run_id = to_mlflow(path, uri)
    metrics = MlflowClient(tracking_uri=uri).get_run(run_id).data.metrics
    assert sorted(metrics.values()) == [*range(len(ALIKE))]
    assert (metrics["a/b/c"], metrics["x/y/z"]) == (0, 6)
    with Exp(tmp_path / "runs", "large") as exp:
        exp.log.event("a", x=2**53 + 1, y=2**53, z=math.inf, w=10**400, v=math.nan, u=0.1)
    with pytest.warns(UserWarning, match="^3 values aren't finite floats, and MLflow rounds them$"):
        to_mlflow(exp.path, uri)


def test_points_that_mlflow_drops_and_a_torn_log_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs("mlflow")
    from mlflow import MlflowClient

    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now)
    with Exp(tmp_path / "runs", "dup") as exp:
        for value in (1.0, 1, 2.0, math.nan, math.nan, math.inf, sys.float_info.max, 0.0, -0.0):
            exp.log.event("a", step=5, x=value, y=value)
    with (exp.path / "log.jsonl").open("a") as log:
        log.write('{"seq":9')
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    said = "^8 points equal others in time, step and value, and MLflow drops them$"
    torn = "^log.jsonl: the bytes after the last line feed are left out$"
    with pytest.warns(UserWarning, match=said), pytest.warns(UserWarning, match=torn):
        run_id = recipe("to_mlflow")(exp.path, uri)
    client = MlflowClient(tracking_uri=uri)
    assert [len(client.get_metric_history(run_id, key)) for key in ("a/x", "a/y")] == [5, 5]


def test_mlflow_reports_two_metrics_that_it_would_merge(tmp_path: Path) -> None:
    needs("mlflow")
    with Exp(tmp_path, "demo") as exp:
        exp.log.event("a", {"b@": 1, mlvlogger.portable_name("b@"): 2})
    with pytest.raises(ValueError, match="MLflow would merge two metrics. Rename one of "):
        recipe("to_mlflow")(exp.path, f"sqlite:///{tmp_path}/mlflow.db")


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("completed", "FINISHED"),
        ("failed", "FAILED"),
        ("interrupted", "KILLED"),
        ("ended", "FINISHED"),
        ("open", "RUNNING"),
        ("paused", "SCHEDULED"),
    ],
)
def test_mlflow_has_the_state(tmp_path: Path, state: str, status: str) -> None:
    needs("mlflow")
    from mlflow import MlflowClient

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    run_id = recipe("to_mlflow")(ended(tmp_path / "runs", state), uri)
    info = MlflowClient(tracking_uri=uri).get_run(run_id).info
    assert (info.status, info.end_time is not None) == (status, state not in ("open", "paused"))


def test_an_export_to_mlflow_that_fails_leaves_no_run(
    experiment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("mlflow")
    from mlflow import MlflowClient

    def fail(*_: Any, **__: Any) -> None:
        raise OSError("no space")

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    to_mlflow = recipe("to_mlflow")
    monkeypatch.setattr(MlflowClient, "log_batch", fail)
    with pytest.raises(OSError, match="no space"):
        to_mlflow(experiment, uri)
    client = MlflowClient(tracking_uri=uri)
    found = client.get_experiment_by_name("train")
    assert found is not None and client.search_runs([found.experiment_id]) == []


def test_a_metric_of_mlflow_that_is_named_step_does_not_become_the_axis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    page = PAGE.with_name("other-trackers.md").read_text()
    code = re.findall(r"```python\n(.*?)```", page, re.S)[-1]
    before = "for step in range(3)]"
    assert before in code
    exec(code.replace(before, f'{before} + [Metric("step", 7.5, 0, 2), Metric("a@b//", 8.5, 0, 2)]'), {})
    run = read("imported/from-mlflow")
    assert run.metric("train", "loss") == ([0, 1, 2], [1.0, 0.5, 1 / 3])
    assert run.metric("train", "step_value") == ([2], [7.5])
    assert run.metric("train", "a@b//") == ([2], [8.5])


def records(directory: Path) -> list[Any]:
    """The records of the one run of W&B in *directory*, when its process has written the last one."""
    from wandb.proto.wandb_internal_pb2 import Record

    (file,) = directory.glob("wandb/offline-run-*/*.wandb")
    deadline = time.monotonic() + 30
    # W&B's own process writes the file, and not all of it before `finish` returns.
    while True:
        found = [Record.FromString(data) for data in records_of(file.read_bytes())]
        if found and found[-1].WhichOneof("record_type") in ("exit", "footer") or time.monotonic() > deadline:
            return found
        time.sleep(0.2)


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"WANDB_MODE": "offline", "WANDB_ERROR_REPORTING": "false", "HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("offline")
def test_wandb_has_every_metric_of_any_name_and_value(tmp_path: Path) -> None:
    needs("wandb")
    path = odd_experiment(tmp_path / "runs")
    recipe("to_wandb")(path, tmp_path)
    history = [record.history for record in records(tmp_path) if record.WhichOneof("record_type") == "history"]
    keys = [{item.key or item.nested_key[0] for item in one.item} for one in history]
    metrics = [{f"{event.name}/{name}" for name in event.metrics} for event in read(path).events() if event.metrics]
    assert len(history) == len(metrics)
    assert [one - found for one, found in zip(metrics, keys, strict=True)] == [set()] * len(metrics)


@pytest.mark.usefixtures("offline")
def test_wandb_merges_no_two_metrics_and_no_axis_and_left_out_lines_are_said(tmp_path: Path) -> None:
    needs("wandb")
    path = experiment_of_alike_names(tmp_path / "runs")
    to_wandb = recipe("to_wandb")
    with pytest.warns(UserWarning, match=r"^log.jsonl:10: "), pytest.warns(UserWarning, match="^log/gpu.jsonl is left"):
        to_wandb(path, tmp_path)
    rows = [
        {item.key or item.nested_key[0]: json.loads(item.value_json) for item in record.history.item}
        for record in records(tmp_path)
        if record.WhichOneof("record_type") == "history"
    ]
    found: dict[str, set[float]] = {}
    for row in rows:
        for key, value in row.items():
            if "/" in key:
                found.setdefault(key, set()).add(value)
    axes: dict[str, set[float]] = {}
    for number, (event, _) in enumerate(ALIKE):
        axes.setdefault(f"{event}/step", set()).add(100 + number)
    assert {axis: found.pop(axis) for axis in axes} == axes
    assert sorted(map(sorted, found.values())) == [[number] for number in range(len(ALIKE))]
    assert (found["a/b/c"], found['a/"b/c"'], found['a/"b/step"'], found["x/y/z"]) == ({0}, {1}, {4}, {6})


@pytest.mark.usefixtures("offline")
def test_wandb_has_parameters_as_text_and_what_it_changes_is_said(tmp_path: Path) -> None:
    needs("wandb")
    params = {"nan": math.nan, "bytes": b"x", "deep": {"list": [-math.inf, b"\xff", 1.5, None, True, "s"]}}
    with Exp(tmp_path / "runs", "demo", params) as exp:
        exp.log.event("a", x=10**400, y=-(10**400), z=math.inf, w=math.nan, v=2**1023)
    with (exp.path / "log.jsonl").open("a") as log:
        log.write('{"seq":9')
    said = "^2 integers are beyond all floats, and infinite in W&B$"
    torn = "^log.jsonl: the bytes after the last line feed are left out$"
    with pytest.warns(UserWarning, match=said), pytest.warns(UserWarning, match=torn):
        recipe("to_wandb")(exp.path, tmp_path)
    (run,) = (record.run for record in records(tmp_path) if record.WhichOneof("record_type") == "run")
    found = {item.key: json.loads(item.value_json) for item in run.config.update if item.key in params}
    assert found == {"nan": "nan", "bytes": "b'x'", "deep": {"list": ["-inf", "b'\\xff'", 1.5, None, True, "s"]}}


@pytest.mark.parametrize(
    ("state", "code"),
    [("completed", 0), ("failed", 1), ("interrupted", 1), ("ended", 0), ("open", 0), ("paused", 0)],
)
@pytest.mark.usefixtures("offline")
def test_wandb_has_the_state(tmp_path: Path, state: str, code: int) -> None:
    needs("wandb")
    recipe("to_wandb")(ended(tmp_path / "runs", state), tmp_path)
    (exit_,) = (one.exit for one in records(tmp_path) if one.WhichOneof("record_type") == "exit")
    assert exit_.exit_code == code


def history_of(file: Path) -> list[tuple[Any, Any]]:
    """The steps and losses in a file of W&B."""
    from wandb.proto.wandb_internal_pb2 import Record

    history = []
    for data in records_of(file.read_bytes()):
        record = Record.FromString(data)
        if record.WhichOneof("record_type") == "history":
            items = {item.key or item.nested_key[0]: json.loads(item.value_json) for item in record.history.item}
            history.append((items["batch/step"], items["batch/loss"]))
    return history


@pytest.mark.usefixtures("offline")
def test_the_offline_directory_of_wandb_has_the_history(experiment: Path, tmp_path: Path) -> None:
    needs("wandb")
    recipe("to_wandb")(experiment, tmp_path)
    (file,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    deadline = time.monotonic() + 30
    # W&B's own process writes the file, and not all of it before `finish` returns.
    while len(history := history_of(file)) < 1200 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert history == [(step, 1 / (step + 1)) for step in range(1200)]


def test_trackio_imports_what_is_exported_to_tensorboard(
    experiment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))  # read when trackio is imported
    needs("trackio")
    needs("tbparse")
    needs("tensorboardX")
    import trackio
    from trackio.sqlite_storage import SQLiteStorage

    from mlv_tools._commands.export_tensorboard import command

    assert CliRunner().invoke(command, [str(experiment.parent), str(tmp_path / "tb")]).exit_code == 0
    trackio.import_tf_events(str(tmp_path / "tb"), project="mlv")
    (name,) = SQLiteStorage.get_runs("mlv")
    losses = [row["batch/loss"] for row in SQLiteStorage.get_logs("mlv", name) if "batch/loss" in row]
    assert losses == pytest.approx([1 / (step + 1) for step in range(1200)], rel=1e-6)


FORMS = {
    "h": mlvlogger.Histogram([-1, 0.5, 0.5, 3], [1, 2**40, 2.5], nan=1),
    "t": mlvlogger.Table(["text", "p"], [["good", 0.5], [None, math.nan], [1, [2]]]),
}


def test_mlflow_has_the_tables(tmp_path: Path) -> None:
    needs("mlflow")
    from mlflow import MlflowClient

    rows = [[number, number * 0.5] for number in range(1001)]
    with Exp(tmp_path / "runs", "demo", kind="train") as exp:
        for step in (1, 2):
            exp.log.event("a", step=step, loss=0.5, **FORMS)
        exp.log.event("large", t=mlvlogger.Table(["n", "half"], rows))
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    previous = os.getcwd()
    os.chdir(tmp_path)  # MLflow writes artifacts below the working directory
    try:
        run_id = recipe("to_mlflow")(exp.path, uri)
        client = MlflowClient(tracking_uri=uri)
        folder = Path(client.download_artifacts(run_id, ""))
        names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.json"))
        assert names == ["a/t/1.json", "a/t/2.json", "large/t/3.json"]
        table = json.loads((folder / "a/t/1.json").read_text())
        assert (table["columns"], table["data"]) == (["text", "p"], [["good", 0.5], [None, None], [1, "[2]"]])
        assert json.loads((folder / "large/t/3.json").read_text())["data"] == rows
        assert len(client.get_metric_history(run_id, "a/loss")) == 2
    finally:
        os.chdir(previous)


@pytest.mark.usefixtures("offline")
def test_wandb_has_the_histograms_and_tables(tmp_path: Path) -> None:
    needs("wandb")
    with Exp(tmp_path / "runs", "demo", kind="train") as exp:
        exp.log.event("a", step=1, loss=0.5, **FORMS)
        exp.log.event("b", step=2, loss=0.25, h=mlvlogger.Histogram(range(600), [1] * 599))
    recipe("to_wandb")(exp.path, tmp_path)
    rows: list[dict[str, Any]] = [{}, {}]
    history = [record.history for record in records(tmp_path) if record.WhichOneof("record_type") == "history"]
    for row, one in zip(rows, history, strict=True):
        for item in one.item:
            name, *inner = item.nested_key or [item.key]
            row[".".join([name, *inner])] = json.loads(item.value_json)
    histogram = {name.rpartition(".")[2]: value for name, value in rows[0].items() if name.startswith("a/h")}
    histogram = histogram.get("a/h", histogram)
    assert (histogram["bins"], histogram["values"]) == ([-1, 0.5, 0.5, 3], [1, 2**40, 2.5])
    assert not any("b/h" in name for name in rows[1])
    [table] = tmp_path.glob("wandb/offline-run-*/files/**/*.table.json")
    assert json.loads(table.read_text()) == {"columns": ["text", "p"], "data": [["good", 0.5], [None, "nan"], [1, [2]]]}


def experiment_with_definitions(runs: Path) -> Path:
    with Exp(runs, "defined", kind="train") as exp:
        exp.define_metric("loss", direction="minimize", unit="nat")
        exp.define_metric("top.1", event="val", direction="maximize", unit="%", axis="epoch")
        exp.define_metric("speed", axis="tokens")
        exp.define_metric("n*", direction="minimize")
        for step in range(4):
            exp.log.event("train", {"step": step, "loss": 1 / (step + 1), "n*": 1})
        exp.log.event("val", {"step": 3, "epoch": 1, "top.1": 50.0, "loss": 0.5, "other": 1, "speed": 2})
        exp.log.event("stepless", loss=1)
    return exp.path


def test_mlflow_has_direction_and_unit_as_tags(tmp_path: Path) -> None:
    needs("mlflow")
    from mlflow import MlflowClient

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    run_id = recipe("to_mlflow")(experiment_with_definitions(tmp_path / "runs"), uri)
    client = MlflowClient(tracking_uri=uri)
    run = client.get_run(run_id)
    name = mlvlogger.portable_name("n*")
    assert {key: value for key, value in run.data.tags.items() if key.startswith("mlv.") and key != "mlv.id"} == {
        "mlv.direction.train/loss": "minimize",
        "mlv.unit.train/loss": "nat",
        "mlv.direction.val/loss": "minimize",
        "mlv.unit.val/loss": "nat",
        "mlv.direction.stepless/loss": "minimize",
        "mlv.unit.stepless/loss": "nat",
        "mlv.direction.val/top.1": "maximize",
        "mlv.unit.val/top.1": "%",
        f"mlv.direction.train/{name}": "minimize",
    }
    found = client.search_runs([run.info.experiment_id], "tags.`mlv.direction.val/loss` = 'minimize'")
    assert [one.info.run_id for one in found] == [run_id]


def test_mlflow_has_more_definitions_than_it_takes_at_a_time(tmp_path: Path) -> None:
    needs("mlflow")
    from mlflow import MlflowClient

    with Exp(tmp_path / "runs", "many") as exp:
        for number in range(120):
            exp.define_metric(f"m{number}" + "x" * 240, direction="minimize", unit="s" * 9000)
            exp.log.event("a", {f"m{number}" + "x" * 240: 1})
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    tags = MlflowClient(tracking_uri=uri).get_run(recipe("to_mlflow")(exp.path, uri)).data.tags
    assert sum(value in ("minimize", "s" * 8000) for value in tags.values()) == 240


@pytest.mark.usefixtures("offline")
def test_wandb_has_axis_and_direction(tmp_path: Path) -> None:
    needs("wandb")
    recipe("to_wandb")(experiment_with_definitions(tmp_path / "runs"), tmp_path)
    found = {}
    for one in (record.metric for record in records(tmp_path) if record.WhichOneof("record_type") == "metric"):
        is_asked = {"min": one.summary.min, "max": one.summary.max, "last": one.summary.last}
        found[one.name] = (one.step_metric, one.options.step_sync, {how for how, is_so in is_asked.items() if is_so})
    for plain in ("train/step", "val/step", "val/epoch"):  # W&B itself defines the axes
        found.pop(plain, None)
    assert found == {
        "train/loss": ("train/step", False, {"min", "last"}),
        "val/loss": ("val/step", False, {"min", "last"}),
        "val/other": ("val/step", False, set()),
        "val/speed": ("", False, set()),
        r"val/top\.1": ("val/epoch", False, {"max", "last"}),
        "stepless/loss": ("", False, {"min", "last"}),
    }
