"""What a report holds, as data; how it looks is seen in `browser/`."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trainings
from test_docs import agree, results_of

from mlv_tools._report.collect import collect
from mlv_tools._report.images import _spread
from mlv_tools._report.page import page
from mlvlogger import Exp


def report(*arguments: Any) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "mlv_tools", "report", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_a_report_is_one_file_and_the_command_prints_its_contents(tmp_path: Path) -> None:
    trainings.some(tmp_path / "runs")
    done = report(tmp_path / "runs", "-o", tmp_path / "page.html")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(rf"{tmp_path}/page.html: 10 experiments, 1 broken, 1\.\d MB\n", done.stdout)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["page.html"]


def test_the_data_is_that_of_the_experiments(tmp_path: Path) -> None:
    trainings.some(tmp_path)
    data = collect(tmp_path)
    names = [experiment["name"] for experiment in data["experiments"]]
    states = {experiment["name"]: experiment["state"] for experiment in data["experiments"]}
    assert (states["broken"], states["still-open"], states["diverged"]) == ("broken", "open", "completed")
    assert data["differing"] == ["lr", "optimizer.name", "optimizer.momentum", "batch_size", "seed", "ratio"]
    charts = [(chart["event"], chart["metric"], len(chart["series"])) for chart in data["curves"]]
    assert charts == [
        ("epoch", "n", 7),
        ("epoch/batch", "loss", 8),
        ("epoch/validation", "accuracy", 6),
        ("size", "weights", 1),
    ]
    diverged = next(series for series in data["curves"][1]["series"] if names[series["e"]] == "diverged")
    assert (diverged["n"], diverged["bad"], diverged["last"], diverged["min"]) == (72, 31, "nan", 1.02)
    assert len(data["images"]) == 36 and {image["step"] for image in data["images"]} == {12, 24, 36, 48, 60, 72}


def test_the_facts_of_an_experiment_list_its_changes(tmp_path: Path) -> None:
    Exp(tmp_path, "a", {"lr": 0.1}, extra={"ticket": 1}).close()
    with pytest.warns(RuntimeWarning):
        Exp.resume(tmp_path / "a", {"lr": 0.2}, extra={"ticket": 2}).close()
    Exp.open(tmp_path / "a", {"lr": 0.5}).close()
    [experiment] = collect(tmp_path)["experiments"]
    assert dict(experiment["facts"])["changes"].splitlines() == [
        "lr: 0.1 -> 0.2 (record 2)",
        "extra.ticket: 1 -> 2 (record 2)",
        "lr: 0.2 -> 0.5 (record 3, for log/run-3.jsonl alone)",
    ]
    assert dict(experiment["params"]) == {"lr": 0.2}


def test_an_open_span_extends_to_the_last_event(tmp_path: Path) -> None:
    trainings.some(tmp_path)
    (still_open,) = [one for one in collect(tmp_path)["experiments"] if one["name"] == "still-open"]
    (span,) = still_open["spans"]
    assert (span["name"], span["open"], span["seconds"], span["text"]) == ("epoch", True, None, '{"n":0}')
    assert span["end"] > span["start"]


def test_images_beyond_the_limit_are_omitted_evenly_and_reported(tmp_path: Path) -> None:
    trainings.train(tmp_path, "one", 0.1)
    size = max(path.stat().st_size for path in (tmp_path / "one/files/weights").iterdir())
    data = collect(tmp_path, images=3 * size)
    assert sorted(image["step"] for image in data["images"]) == [12, 48, 72]
    assert any(re.match(r"Images left out because .*--images.*: 3\.", note) for note in data["notes"])


def test_the_spread_starts_at_the_ends_and_contains_each_index_once() -> None:
    assert [_spread(count) for count in range(1, 6)] == [[0], [1, 0], [2, 0, 1], [3, 0, 2, 1], [4, 0, 2, 1, 3]]
    assert all(sorted(_spread(count)) == list(range(count)) for count in range(1, 200))


@pytest.mark.parametrize("harm", ["changed", "missing", "link", "folder"])
def test_an_image_that_differs_from_the_record_is_omitted(tmp_path: Path, harm: str) -> None:
    with Exp(tmp_path / "runs", "one") as exp:
        with exp.create("a/b.png", "wb") as file:
            file.write(b"an image")
        exp.log.event("picture", file=file.ref)
    path = exp.path / "files/a/b.png"
    secret = tmp_path / "b.png"
    secret.write_bytes(b"an image")
    if harm == "changed":
        path.chmod(0o644)
        path.write_bytes(b"an imagE")
    else:
        path.unlink()
    if harm == "link":
        path.symlink_to(secret)
    if harm == "folder":
        path.parent.rmdir()
        path.parent.symlink_to(tmp_path)
    data = collect(tmp_path / "runs")
    assert data["images"] == []
    reason = {
        "changed": "the digest of the image differs from the recorded one",
        "missing": "the image cannot be read: No such file or directory",
        "link": "the image cannot be read: Too many levels of symbolic links",
        "folder": "the path leads through something that isn't a folder",
    }[harm]
    assert f"Images left out because {reason}: 1." in data["notes"]


def test_an_image_is_in_the_page_only_once(tmp_path: Path) -> None:
    for name in ("one", "two"):
        with Exp(tmp_path, name) as exp:
            with exp.create("a.png", "wb") as file:
                file.write(b"an image")
            exp.log.event("picture", step=1, file=file.ref)
    data = collect(tmp_path)
    assert ([image["source"] for image in data["images"]], len(data["sources"])) == ([0, 0], 1)


def test_data_cannot_end_the_script_of_the_page_and_is_parsed_back_equal() -> None:
    texts = ["</script>", "<!--", "]]>", "\u2028\u2029", "$policy", "\ud800", "\x00", "&lt;"]
    text = page("a</title>$x", {"texts": texts})
    (inside,) = re.findall('<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert json.loads(inside) == {"texts": texts}
    assert not re.search("[<\u2028\u2029\ud800]", inside)
    assert "<title>a&lt;/title&gt;$x</title>" in text
    assert text.count("<script") == text.count("</script>") == 3


def test_the_policy_allows_two_scripts_and_no_connection() -> None:
    text = page("a", {})
    (policy,) = re.findall('http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    rules = dict(rule.split(maxsplit=1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'" and rules["img-src"] == "data:"
    assert re.fullmatch(r"('sha256-[\w+/=]{44}' ?){2}", rules["script-src"])
    assert "unsafe" not in policy


def test_a_root_without_experiments_is_a_page_that_says_so(tmp_path: Path) -> None:
    done = report(tmp_path, "-o", tmp_path / "page.html")
    assert done.returncode == 0
    assert done.stdout.startswith(f"{tmp_path}/page.html: 0 experiments, ")


def test_a_missing_root_is_an_error(tmp_path: Path) -> None:
    done = report(tmp_path / "nothing", "-o", tmp_path / "page.html")
    assert done.returncode == 2 and str(tmp_path / "nothing") in done.stderr
    assert not list(tmp_path.iterdir())


def test_the_code_of_the_how_to_guide_prints_its_output() -> None:
    run, results = results_of("docs/how-to/report.md")
    wrong = [(what, expected, actual) for _, what, expected, actual in results if not agree(expected, actual)]
    assert (run.returncode, wrong) == (0, []), run.stderr


def test_a_page_that_cannot_be_written_is_reported_before_the_work(tmp_path: Path) -> None:
    done = report(tmp_path, "-o", tmp_path / "nothing/page.html")
    assert done.returncode == 2 and f"{tmp_path / 'nothing'} isn't a directory" in done.stderr.replace("\n", " ")


def test_parameters_of_one_spelling_are_not_merged(tmp_path: Path) -> None:
    for name, lr in (("a", 0.1), ("b", 0.9)):
        Exp(tmp_path, name, {"optimizer.lr": lr, "optimizer": {"lr": 0.2}}).close()
    data = collect(tmp_path)
    assert (data["differing"], data["params"]) == (['"optimizer.lr"'], ['"optimizer.lr"', "optimizer.lr"])
    assert [one["params"] for one in data["experiments"]] == [
        [['"optimizer.lr"', lr], ["optimizer.lr", 0.2]] for lr in (0.1, 0.9)
    ]


def test_parameters_that_are_shown_alike_differ(tmp_path: Path) -> None:
    for name, flag in (("a", True), ("b", "true")):
        Exp(tmp_path, name, {"flag": flag, "same": None}).close()
    assert collect(tmp_path)["differing"] == ["flag"]


def test_a_curve_keeps_the_digits_that_tell_its_values_apart(tmp_path: Path) -> None:
    values = [1e12 + step for step in range(20)]
    with Exp(tmp_path, "e") as exp:
        for step, value in enumerate(values):
            exp.log.event("t", step=step, large=value, small=1 / 3 + step, constant=0.1234567891)
    series = {chart["metric"]: chart["series"][0]["y"] for chart in collect(tmp_path)["curves"]}
    assert series["large"] == values
    assert series["constant"] == [0.1234567891] * 20 and series["small"][0] == 0.3333333
    for name in ("one", "two"):
        with Exp(tmp_path / "other", name) as exp:
            exp.log.event("t", large=1e12 + (name == "two"))
            exp.log.event("t", large=1e12 + (name == "two"))
    (chart,) = collect(tmp_path / "other")["curves"]
    assert [one["y"] for one in chart["series"]] == [[1e12] * 2, [1e12 + 1] * 2]


def test_the_largest_floats_stay_finite(tmp_path: Path) -> None:
    largest = sys.float_info.max
    with Exp(tmp_path, "one") as exp:
        for step in range(20):
            exp.log.event("batch", step=step, loss=largest * (1 - step % 2 * 1e-4))
    (chart,) = json.loads(json.dumps(collect(tmp_path), allow_nan=False))["curves"]
    assert chart["series"][0]["y"][:2] == [largest, 1.7975133655e308]


def test_the_table_of_one_experiment_has_every_parameter(tmp_path: Path) -> None:
    Exp(tmp_path, "one", {"lr": 1, "seed": 2}).close()
    assert collect(tmp_path)["differing"] == ["lr", "seed"]


def test_a_chart_has_one_axis_and_one_unit(tmp_path: Path) -> None:
    for number, axis in enumerate(("epoch", "epoch", None)):
        with Exp(tmp_path, f"e{number}") as exp:
            exp.define_metric("loss", unit="nat", axis=axis)
            exp.log.event("val", step=7, loss=9)
            exp.log.event("val", step=8, epoch=1.5, loss=3)
    data = collect(tmp_path)
    charts = {(one["metric"], one["axis"], one["unit"]): one["series"] for one in data["curves"]}
    assert [(series["e"], series["x"], series["y"]) for series in charts["loss", "epoch", "nat"]] == [
        (0, [1.5], [3.0]),
        (1, [1.5], [3.0]),
    ]
    assert [(series["e"], series["x"]) for series in charts["loss", "step", "nat"]] == [(2, [7, 8])]
    assert set(charts) == {("loss", "epoch", "nat"), ("loss", "step", "nat"), ("epoch", "step", "")}
    assert "2 values without a position on the axis that the metric defines are left out." in data["notes"]
