"""Histograms and tables in the report, in the terminal, in SQL and in files of tables."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import mlv_tools
from mlv_tools._display.text import value
from mlv_tools._display.values import display
from mlv_tools._report.collect import collect
from mlvlogger import Exp, Histogram, Opaque, Table

HISTOGRAM = Histogram([0, 1, 2, 4], [1, 0, 5], nan=2, above=1)
TABLE = Table(["text", "p", "file"], [["good\x1b", 0.5, {"a": 1}], [None, math.nan, [1]]])


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for name in ("one", "two"):
        with Exp(tmp_path / "runs", name, {"grid": TABLE, "prior": HISTOGRAM}) as exp:
            for step in range(40):
                exp.log.event("a", step=step, loss=0.5, inner={"h": [HISTOGRAM]}, t=TABLE)
    return tmp_path / "runs"


def mlv(*arguments: Any) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "mlv_tools", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_the_report_has_the_histograms_and_tables_of_events(runs: Path) -> None:
    data = collect(runs)
    shown = [form for form in data["forms"] if form["e"] == 0]
    assert {(form["event"], form["key"]) for form in shown} == {("a", "inner.h.0"), ("a", "t")}
    last = [form for form in shown if form["step"] == 39]
    assert next(form for form in last if "edges" in form)["counts"] == [1, 0, 5]
    assert next(form for form in last if "edges" in form)["outside"] == "2 NaN, 1 above"
    assert next(form for form in last if "rows" in form)["rows"] == [
        ["good\\x1b", 0.5, '{"a": 1}'],
        ["null", "nan", "[1]"],
    ]
    assert len(shown) == 60 and "40 of 160 histograms and tables are left out, evenly." in data["notes"]
    assert data["experiments"][0]["params"][0][0] == "grid"


def test_buckets_and_rows_beyond_the_limits_are_joined_or_counted(tmp_path: Path) -> None:
    with Exp(tmp_path, "one") as exp:
        exp.log.event("a", h=Histogram(range(131), [1.5] * 130), t=Table(map(str, range(14)), [range(14)] * 25))
        exp.log.event("b", h=Opaque({"_mlv": "histogram", "edges": [0, 1], "counts": [1, 2]}), t={"_mlv": "table"})
    histogram, table = collect(tmp_path)["forms"]
    assert histogram["edges"] == [*range(0, 130, 3), 130] and histogram["counts"] == [4.5] * 43 + [1.5]
    assert (len(table["rows"]), len(table["columns"]), table["left"]) == (20, 12, "5 more rows, 2 more columns")
    assert (histogram["counted"], histogram["step"]) == (True, 0)


def test_the_terminal_shows_a_histogram_and_a_table(runs: Path) -> None:
    assert value(HISTOGRAM) == "▂▁█ 0 to 4, 6 values"
    assert value(TABLE) == "table of 2 rows: text, p, file" == display(TABLE)
    for command in (["show", runs / "one"], ["tail", runs / "one"], ["ls", runs, "-p", "grid,prior"]):
        done = mlv(*command)
        assert done.returncode == 0 and "table of 2 rows" in done.stdout and "▂▁█ 0 to 4, 6 values" in done.stdout
    assert mlv("diff", runs / "one", runs / "two").returncode == 0


def test_sql_csv_and_parquet_have_them_as_json(runs: Path, tmp_path: Path) -> None:
    with mlv_tools.connect(runs) as connection:
        query = "select data->'t'->'rows'->0->>0, data->'inner'->'h'->0->'counts' from events where event = 'a' limit 1"
        assert connection.execute(query).fetchall() == [("good\x1b", "[1,0,5]")]
        metrics = connection.execute("select distinct name from metrics").fetchall()
    assert metrics == [("loss",)]
    for kind in ("csv", "parquet"):
        assert mlv("export", kind, runs, tmp_path / kind).returncode == 0
    csv = next((tmp_path / "csv").glob("events.csv")).read_text("utf-8")
    assert '""_mlv"":""histogram""' in csv
    import duckdb

    [(data,)] = duckdb.execute(
        f"select data from '{tmp_path}/parquet/events.parquet' where event = 'a' limit 1"
    ).fetchall()
    assert json.loads(data)["t"]["columns"] == ["text", "p", "file"]
