"""`mlv export parquet` and `csv`, read back by others."""

import csv
import json
import math
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlv_tools import connect
from mlvlogger import Exp, read

duckdb = pytest.importorskip("duckdb")
MLV = [sys.executable, "-m", "mlv_tools"]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    with Exp(tmp_path / "runs", "one", {"lr": 0.5, "n": math.inf}, tags=["x", "y, z"], description='a "b"\n') as exp:
        with exp.log.span("epoch", n=0) as epoch:
            for loss in (1.5, math.nan, math.inf, 2**60):
                epoch.event("batch", step=3, loss=loss, text="é\u0000\x1b,\n")
        exp.stream("gpu").event("memory", used=1)
    return tmp_path / "runs"


def export(form: str, runs: Path, directory: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*MLV, "export", form, str(runs), str(directory)], capture_output=True, text=True, encoding="utf-8"
    )


def rows(connection: Any, query: str) -> list[str]:
    return sorted(map(repr, connection.execute(query).fetchall()))


VIEWS = ("experiments", "events", "metrics", "definitions", "best")


def test_parquet_holds_the_rows_and_types_of_the_views(runs: Path, tmp_path: Path) -> None:
    result = export("parquet", runs, tmp_path / "it's out")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == (
        "         1 experiments\n        11 events\n         6 metrics\n         0 definitions\n         0 best\n"
    )
    assert sorted(os.listdir(tmp_path / "it's out")) == sorted(f"{view}.parquet" for view in VIEWS)
    views, files = connect(runs), duckdb.connect()
    for view in VIEWS:
        file = f"{tmp_path}/it''s out/{view}.parquet"
        assert rows(files, f"FROM '{file}'") == rows(views, f"FROM {view}")
        assert rows(files, f"DESCRIBE FROM '{file}'") == rows(views, f"DESCRIBE FROM {view}")


def test_parquet_is_read_by_pandas(runs: Path, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    export("parquet", runs, tmp_path / "out")
    metrics = pandas.read_parquet(tmp_path / "out/metrics.parquet")
    wanted = [1.5, math.nan, math.inf, 2.0**60]
    assert repr(metrics[metrics.name == "loss"]["value"].tolist()) == repr(wanted)
    assert str(metrics["time"].dtype) == "datetime64[us]"
    experiments = pandas.read_parquet(tmp_path / "out/experiments.parquet")
    assert [*experiments.tags[0]] == ["x", "y, z"]


def test_csv_holds_the_rows_of_the_views(runs: Path, tmp_path: Path) -> None:
    result = export("csv", runs, tmp_path / "out")
    assert (result.returncode, result.stderr) == (0, "")
    views, files = connect(runs), duckdb.connect()
    for view in VIEWS:
        columns = dict((name, kind) for name, kind, *_ in views.execute(f"DESCRIBE {view}").fetchall())
        texts = {name: "JSON" if kind.endswith("[]") else kind for name, kind in columns.items()}
        selected = ", ".join(
            f'from_json("{name}", \'["VARCHAR"]\') AS "{name}"' if kind.endswith("[]") else f'"{name}"'
            for name, kind in columns.items()
        )
        source = f"read_csv('{tmp_path}/out/{view}.csv', header=true, auto_detect=false, columns={texts}, escape='\"')"
        assert rows(files, f"SELECT {selected} FROM {source}") == rows(views, f"FROM {view}")


def test_csv_is_read_by_pandas(runs: Path, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    export("csv", runs, tmp_path / "out")
    metrics = pandas.read_csv(tmp_path / "out/metrics.csv", parse_dates=["time"])
    assert repr(metrics[metrics.name == "loss"]["value"].tolist()) == repr([1.5, math.nan, math.inf, 2.0**60])
    assert pandas.read_csv(tmp_path / "out/experiments.csv").tags.tolist() == ['["x","y, z"]']


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_export_overwrites_nothing_and_leaves_no_partial_file(runs: Path, tmp_path: Path, form: str) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "empty").mkdir()
    before = sorted(os.listdir(tmp_path))
    for name in ("full", "file"):
        result = export(form, runs, tmp_path / name)
        assert (result.returncode, result.stdout) == (1, "")
        assert "already exists, and nothing is overwritten. Choose another name." in result.stderr
    assert export(form, runs, tmp_path / "missing/out").returncode == 2
    assert export(form, tmp_path / "missing", tmp_path / "out").returncode == 2
    assert sorted(os.listdir(tmp_path)) == before
    assert export(form, runs, tmp_path / "empty").returncode == 0


def test_omitted_lines_are_reported(runs: Path, tmp_path: Path) -> None:
    with open(runs / "one/log.jsonl", "a") as file:
        file.write("garbled\n")
    result = export("csv", runs, tmp_path / "out")
    assert (result.returncode, result.stdout.split()[0]) == (1, "1")
    assert result.stderr.startswith(
        "mlv: warning: Data was left out of the views because of a problem, such as one/log.jsonl:9: "
    )


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_links_to_experiments_are_said(runs: Path, tmp_path: Path, form: str) -> None:
    """What is inside of an experiment and leads to no other one, such as the latest checkpoint, isn't an experiment."""
    with Exp(tmp_path / "elsewhere", "two") as exp:
        exp.log.event("batch", step=1, loss=0.5)
    (runs / "selected").symlink_to(tmp_path / "elsewhere")
    (runs / "one/files").mkdir(exist_ok=True)
    (runs / "one/files/latest").symlink_to(tmp_path)
    (runs / "one/sub").symlink_to(exp.path)
    result = export(form, runs, tmp_path / "out")
    said = "is left out: symbolic links aren't followed. Export its target"
    warning, *lines = result.stderr.splitlines()
    assert lines == [f"{runs}/{name} {said}" for name in ("one/sub", "selected")]
    assert "because of 2 problems, such as ./one/sub: it is a symbolic link that leads outside" in warning
    assert (result.returncode, result.stdout.split()[0]) == (1, "1")


def test_times_in_csv_state_that_they_are_utc(runs: Path, tmp_path: Path) -> None:
    export("csv", runs, tmp_path / "out")
    with open(tmp_path / "out/events.csv", newline="") as file:
        times = [row["time"] for row in csv.DictReader(file)]
    (first, *_) = (event for event in read(runs / "one").events(stream="log/gpu.jsonl", lifecycle=True))
    assert f"{first.time:%Y-%m-%dT%H:%M:%S.%f}Z" in times and all(time.endswith("Z") for time in times)


def test_json_keeps_columns_of_one_name_and_all_digits(mlv: Callable[..., str], runs: Path) -> None:
    query = (
        "SELECT 1 AS a, 2 AS a, 3 AS a_1, 12345678901234567890.1234567::DECIMAL(38, 7) AS d, 0.1::DECIMAL(3, 2) AS e"
    )
    row = {"a": 1, "a_2": 2, "a_1": 3, "d": "12345678901234567890.1234567", "e": 0.1}
    assert json.loads(mlv("sql", "runs", query, "--format", "jsonl")) == row
    assert json.loads(mlv("sql", "runs", query, "--format", "json")) == [row]


@pytest.mark.parametrize(
    ("arguments", "target"),
    [
        (["sql", "runs", "FROM metrics", "-o"], "x.csv"),
        (["sql", "runs", "FROM metrics", "-o"], "x.parquet"),
        (["plot", "runs", "--metric", "batch.loss", "-o"], "x.svg"),
        (["report", "runs", "-o"], "x.html"),
        (["export", "csv", "runs"], "x"),
        (["export", "parquet", "runs"], "x"),
        (["export", "ro-crate", "runs/one"], "x.zip"),
    ],
)
def test_an_error_names_the_file_that_was_given(
    runs: Path, tmp_path: Path, mlv: Callable[..., str], arguments: list[str], target: str
) -> None:
    if "ro-crate" in arguments:
        pytest.importorskip("rocrate")
    shown = mlv(*arguments, f"missing/{target}", exit=2)
    assert f"missing/{target} cannot be written: missing isn't a directory. Create it first." in shown
    assert ".mlv-" not in shown
    assert os.listdir(tmp_path) == ["runs"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["sql", "runs", "SELECT range FROM range(100000)", "-o", "mine.csv"],
        ["sql", "runs", "SELECT range FROM range(100000)", "-o", "mine.parquet"],
        ["plot", "runs", "-m", "batch.loss", "-o", "mine.svg"],
        ["plot", "runs", "-m", "batch.loss", "-o", "mine.png"],
        ["report", "runs", "-o", "mine.html"],
        ["export", "csv", "runs", "mine"],
        ["export", "parquet", "runs", "mine"],
    ],
)
def test_a_file_that_cannot_be_written_whole_is_an_error_that_names_it(tmp_path: Path, arguments: list[str]) -> None:
    with Exp(tmp_path / "runs", "one") as exp:
        for step in range(5000):
            exp.log.event("batch", step=step, loss=step % 97 / 7)

    is_replaced = arguments[0] in ("plot", "report")
    if is_replaced:
        (tmp_path / arguments[-1]).write_text("good")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))

    done = subprocess.run([*MLV, *arguments], cwd=tmp_path, capture_output=True, text=True, preexec_fn=limit)
    assert done.returncode == 1
    assert "mine" in done.stderr and "File too large" in done.stderr, done.stderr
    assert not [word for word in (".mlv-", "partial", "Traceback") if word in done.stderr], done.stderr
    if is_replaced:
        assert (tmp_path / arguments[-1]).read_text() == "good"
        (tmp_path / arguments[-1]).unlink()
    assert os.listdir(tmp_path) == ["runs"]


def log_large_integers(runs: Path) -> dict[str, Any]:
    """Log integers that a double has, and three that it hasn't."""
    values = {"a": 2**53, "b": 2**53 + 1, "c": -(10**400), "d": 2**130, "e": 10**39, "f": 1e300, "g": math.nan}
    with Exp(runs, "large") as exp:
        exp.log.event("typed", values)
        exp.stream("gpu").event("memory", used=2**64 + 1)
    return values


def test_integers_that_are_rounded_are_counted(tmp_path: Path) -> None:
    values = log_large_integers(tmp_path / "runs")
    log = tmp_path / "runs/large/log.jsonl"
    said = (
        "digits of {}, were left out of metrics.value, which has the nearest DOUBLE or an infinity; "
        "events.data has all digits"
    )
    problems = [
        ("log.jsonl", None, said.format("3 integers beyond 2**53, such as typed.b")),
        ("log/gpu.jsonl", None, said.format("1 integer beyond 2**53, such as memory.used")),
    ]
    for line in (log.read_text(), log.read_text().replace('{"seq":2,', '{"seq": 2,')):  # read by DuckDB, and by us
        log.write_text(line)
        with pytest.warns(UserWarning, match="because of 2 problems, such as large/log.jsonl: digits of 3 integers"):
            views = connect(tmp_path / "runs")
        assert views.execute("SELECT path, line, message FROM problems").fetchall() == problems
        found = dict(views.execute("SELECT name, value FROM metrics WHERE event != 'memory'").fetchall())
        assert repr(found) == repr({name: -math.inf if name == "c" else float(values[name]) for name in found})
        assert found.keys() == values.keys()
    for form in ("csv", "parquet"):
        result = export(form, tmp_path / "runs", tmp_path / form)
        assert (result.returncode, "because of 2 problems" in result.stderr) == (1, True)
    exact = read(tmp_path / "runs/large")
    assert exact.metric("typed", "b")[1] + exact.metric("typed", "c")[1] == [2**53 + 1, -(10**400)]


def test_values_that_parquet_has_only_nearly_are_counted(mlv: Callable[..., str], runs: Path) -> None:
    query = (
        'SELECT 9007199254740993::HUGEINT AS "a\'""", sum(range) AS b, [9007199254740993::HUGEINT] AS c,'
        " 170141183460469231731687303715884105727::HUGEINT AS d, INTERVAL '1.234567' SECOND AS e,"
        " [INTERVAL '1 month 1.234 seconds'] AS f, TIMETZ '12:00:00+05:30' AS g,"
        " '0101'::BIT AS i, 1::DECIMAL(38,20) / 3 AS j, TIMESTAMP_NS '2026-01-01 00:00:00.123456789' AS k,"
        " TIMESTAMPTZ '2026-01-01 00:00:00.123456+05' AS l, 1 AS a, 2 AS a FROM range(3)"
    )
    shown = mlv("sql", "runs", query, "-o", "x.parquet", exit=0)
    assert shown == ""
    target = runs / "x=1[y].parquet"
    done = subprocess.run([*MLV, "sql", str(runs), query, "-o", str(target)], capture_output=True, text=True)
    said = "were rounded or lost their time zone, because Parquet has no exact type for"
    columns = [("'a\\'\"'", "HUGEINT"), ("'c'", "HUGEINT[]"), ("'d'", "HUGEINT"), ("'e'", "INTERVAL")]
    columns += [("'g'", "TIME WITH TIME ZONE")]
    assert [line.split(" To keep")[0] for line in done.stderr.splitlines()] == [
        f"mlv: warning: 1 values of the column {name} {said} {kind}." for name, kind in columns
    ]
    said = "of the type TIMESTAMP_NS is written with microseconds. To keep all digits, cast the column to VARCHAR."
    done = subprocess.run([*MLV, "sql", str(runs), query, "--format", "jsonl"], capture_output=True, text=True)
    assert (done.stderr, json.loads(done.stdout)["b"]) == (f"mlv: warning: the column 'k' {said}\n", 3)
    file = f"read_parquet('{runs}/x=1[[]y].parquet')"
    shown = duckdb.connect().execute(f"SELECT b, i, j, k::VARCHAR, a, a_1 FROM {file}").fetchall()
    assert shown == [(3.0, "0101", 1 / 3, "2026-01-01 00:00:00.123456789", 1, 2)]
