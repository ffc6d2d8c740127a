"""`mlv sql`, as it is typed."""

import json
import math
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import test_docs

from mlv_tools._sql.schema import VIEWS
from mlvlogger import Exp

MLV = [sys.executable, "-m", "mlv_tools"]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for name, lr in (("good", 0.5), ("bad", 0.25)):
        with Exp(tmp_path / "runs", name, {"lr": lr}, kind="train", tags=["x"]) as exp:
            for step in range(3):
                exp.log.event("batch", step=step, loss=math.nan if name == "bad" and step == 2 else step * lr)
    return tmp_path / "runs"


def mlv(*arguments: Any, **options: Any) -> "subprocess.CompletedProcess[str]":
    options = {"capture_output": True, "text": True, "encoding": "utf-8", **options}
    return subprocess.run([*MLV, *map(str, arguments)], **options)


def test_rows_are_a_table(runs: Path) -> None:
    result = mlv(
        "sql", runs, "SELECT experiment, step, value, CAST(NULL AS VARCHAR) AS nothing FROM metrics ORDER BY ALL DESC"
    )
    assert result.stdout == (
        "experiment   step   value   nothing\n"
        "───────────────────────────────────\n"
        "good            2     1.0   NULL   \n"
        "good            1     0.5   NULL   \n"
        "good            0     0.0   NULL   \n"
        "bad             2     nan   NULL   \n"
        "bad             1    0.25   NULL   \n"
        "bad             0     0.0   NULL   \n"
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_rows_are_csv_json_and_json_lines(runs: Path) -> None:
    query = "SELECT experiment, params, tags, max(value) AS worst FROM experiments JOIN metrics USING (experiment) "
    query += "GROUP BY ALL ORDER BY ALL"
    rows = [
        {"experiment": "bad", "params": {"lr": 0.25}, "tags": ["x"], "worst": "nan"},
        {"experiment": "good", "params": {"lr": 0.5}, "tags": ["x"], "worst": 1.0},
    ]
    assert json.loads(mlv("sql", runs, query, "--format", "json").stdout) == rows
    lines = mlv("sql", runs, query, "--format", "jsonl").stdout
    assert [json.loads(line) for line in lines.splitlines()] == rows
    assert mlv("sql", runs, query, "--format", "csv").stdout == (
        'experiment,params,tags,worst\nbad,"{""lr"":0.25}","[""x""]",nan\ngood,"{""lr"":0.5}","[""x""]",1.0\n'
    )
    assert mlv("sql", runs, "FROM metrics LIMIT 0", "--format", "json").stdout == "[]\n"


def test_the_ending_of_a_file_selects_its_format(runs: Path, tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    for ending in ("csv", "json", "jsonl", "parquet"):
        out = tmp_path / f"it's out.{ending}"
        assert mlv("sql", runs, "SELECT experiment, value FROM metrics ORDER BY ALL;", "-o", out).returncode == 0
        rows = duckdb.connect().execute("FROM '{}'".format(str(out).replace("'", "''"))).fetchall()
        assert repr([(name, float(str(value).strip('"'))) for name, value in rows]) == repr(
            [("bad", 0.0), ("bad", 0.25), ("bad", math.nan), ("good", 0.0), ("good", 0.5), ("good", 1.0)]
        )
        before = out.read_bytes()
        again = mlv("sql", runs, "SELECT 1", "-o", out)
        assert (again.returncode, out.read_bytes()) == (1, before)
        assert "already exists, and nothing is overwritten" in again.stderr
    assert mlv("sql", runs, "SELECT 1", "--format", "parquet").returncode == 2
    assert mlv("sql", runs, "SELEC 1", "-o", tmp_path / "wrong.csv").returncode == 2
    assert not (tmp_path / "wrong.csv").exists()
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".mlv-")]


def test_a_query_comes_from_standard_input_too(runs: Path) -> None:
    assert mlv("sql", runs, "-", "--format", "csv", input="SELECT count(*) AS n\nFROM experiments").stdout == "n\n2\n"


@pytest.mark.parametrize("query", ["SELEC 1", "SELECT loss FROM metrics", "FROM nothing"])
def test_a_wrong_query_is_answered_with_the_columns(runs: Path, query: str) -> None:
    result = mlv("sql", runs, query)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("Error: the query failed. ")
    for view, columns in VIEWS.items():
        assert f"  {view}({', '.join(name for name, _, _ in columns)})\n" in result.stderr


def test_a_query_that_fails_while_it_runs_ends_with_1(runs: Path) -> None:
    result = mlv("sql", runs, "SELECT CAST(event AS INTEGER) FROM events")
    assert (result.returncode, result.stdout) == (1, "")


def test_a_name_in_a_query_is_not_a_variable_of_the_program(runs: Path) -> None:
    for name in ("query", "rows", "root"):
        assert mlv("sql", runs, f"FROM {name}").returncode == 2


def test_a_missing_root_is_wrong_usage(tmp_path: Path) -> None:
    assert mlv("sql", tmp_path / "missing", "SELECT 1").returncode == 2


def test_omitted_lines_are_reported_on_standard_error(runs: Path) -> None:
    with open(runs / "good/log.jsonl", "a") as file:
        file.write("garbled\n{")
    result = mlv("sql", runs, "SELECT experiment, path, line FROM problems", "--format", "csv")
    assert result.stdout == "experiment,path,line\ngood,log.jsonl,\ngood,log.jsonl,6\n"
    assert result.stderr.startswith(
        "mlv: warning: Data was left out of the views because of 2 problems, such as good/log.jsonl: "
    )
    assert result.stderr.count("\n") == 1


def test_on_a_terminal_values_are_escaped_and_not_cut(tmp_path: Path) -> None:
    with Exp(tmp_path, "one") as exp:
        exp.log.event("a\u202eb[red]", text="\x1b[31m\r\n" + "x" * 200)
    query = "SELECT event, data->>'text' AS \"t\x07\" FROM events WHERE event LIKE 'a%'"
    parent, child = pty.openpty()
    process = subprocess.Popen([*MLV, "sql", str(tmp_path), query], stdout=child, stderr=child)
    os.close(child)
    output = b""
    try:
        while block := os.read(parent, 65536):
            output += block
    except OSError:  # Linux says so at the end
        pass
    os.close(parent)
    assert process.wait() == 0
    text = output.decode().replace("\r\n", "\n")
    assert "a\\u202eb[red]" in text
    assert "\\x1b[31m\\r\\n" in text
    assert text.count("x") >= 200
    assert not any(forbidden in text for forbidden in ("\u202e", "\x1b[31m", "\r", "\x07"))


PAGE = Path(__file__).parents[2] / "docs/how-to/query.md"


def test_the_queries_of_the_page_print_its_output() -> None:
    run, results = test_docs.results_of("docs/how-to/query.md")
    assert run.returncode == 0, run.stderr
    for line, what, expected, actual in results:
        assert test_docs.agree(expected, actual), f"{PAGE}:{line}: {what}: {actual}"


def test_the_page_about_queries_has_all_columns_with_their_types() -> None:
    rows = [f"| `{name}` | `{kind}` | {what} |" for columns in VIEWS.values() for name, kind, what in columns]
    written = PAGE.read_text(encoding="utf-8").splitlines()
    assert [line for line in written if line.startswith("| `")] == rows
