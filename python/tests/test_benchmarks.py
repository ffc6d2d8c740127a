"""The trials measure what they say: their pages have their results, and their harness counts what is kept.

No test compares times.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "trials" / "benchmarks" / "logger"
PAGE = BENCHMARKS.parents[2] / "docs" / "explanation" / "performance.md"
FAULTS = BENCHMARKS.parents[1] / "faults"
RENEWED = """
import json, sys, page
results = json.loads(page.RESULTS.read_text("utf-8"))
sys.stdout.buffer.write(page.renewed(page.PAGE.read_text("utf-8"), results).encode("utf-8"))
"""
ROWS = "import json, rows; print(json.dumps([*rows.OWN, *rows.SCALE, *rows.SYNCED, *rows.PEERS]))"


def run(code: str) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=BENCHMARKS, stdout=subprocess.PIPE, encoding="utf-8", check=True).stdout


def trial(directory: Path, subject: str, **spec: Any) -> dict[str, Any]:
    settings = {"shape": "scalars", "events": 5, "seconds": 60, "paced": False, "acknowledged": None, **spec}
    settings.update(subject=subject, directory=os.fspath(directory), result=os.fspath(directory / "result"))
    subprocess.run([sys.executable, BENCHMARKS / "trial.py", json.dumps(settings)], check=True)
    result: dict[str, Any] = json.loads((directory / "result").read_text("utf-8"))
    return result


def test_the_page_has_the_results() -> None:
    assert run(RENEWED) == PAGE.read_text("utf-8")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="not applicable: the trials need Python 3.11")
def test_the_page_of_the_fault_trials_has_their_results() -> None:
    command = [sys.executable, "page.py", "results.json"]
    done = subprocess.run(command, cwd=FAULTS, stdout=subprocess.PIPE, encoding="utf-8", check=True)
    assert done.stdout == PAGE.with_name("faults.md").read_text("utf-8")


def test_every_row_has_an_adapter_and_every_other_logger_a_version() -> None:
    adapters = {row.partition(":")[0] for row in json.loads(run(ROWS))}
    assert adapters | {"null"} == {path.stem for path in (BENCHMARKS / "subjects").glob("*.py")}
    pinned = set(re.findall(r"(?m)^(\w+) = .*==", (BENCHMARKS / "peers.toml").read_text("utf-8")))
    assert adapters - pinned == {"plain", "mlv"}


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["scalars", "nested", "strings"])
@pytest.mark.parametrize("subject", ["plain", "mlv:direct", "mlv:exp+disk", "mlv:span+keywords"])
def test_what_a_trial_logs_is_read_back(tmp_path: Path, subject: str, shape: str) -> None:
    logged = trial(tmp_path, subject, do="log", shape=shape, paced=True)
    assert logged["events"] == 5
    assert logged["median"] <= logged["p99"] <= logged["max"]
    found = trial(tmp_path, subject, do="read", count=5)
    assert (found["kept"], found["wrong"]) == (5, 0)


def test_a_lost_event_and_a_wrong_value_are_noticed(tmp_path: Path) -> None:
    trial(tmp_path, "plain", do="log")
    log = tmp_path / "log.jsonl"
    lines = log.read_text("utf-8").splitlines(keepends=True)
    lines[1] = re.sub(r'"loss": [0-9.]+', '"loss": 2.5', lines[1])
    log.write_text("".join(lines[:4]) + lines[4].rstrip("\n"), "utf-8")
    found = trial(tmp_path, "plain", do="read", count=5)
    assert (found["kept"], found["wrong"]) == (3, 1)
    assert trial(tmp_path, "null", do="read", count=5)["kept"] == 0
