"""Every implementation in this repository passes the whole suite, and claims what it passes."""

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from mlv_conformance._cli import SUITE

from .conftest import ROOT, RunSuite, SuiteRun

DRIVERS = ROOT / "conformance" / "drivers"


def test_mlvlogger_and_mlv_validate(run_suite: RunSuite) -> None:
    done = run_suite(sys.executable, DRIVERS / "python_driver.py", options=("--name", "mlvlogger"))
    assert done.returncode == 0, done.stdout
    assert done.claim["classes"] == {"writer": "sealed", "reader": "core", "validator": "sealed"}
    assert not_passed(done) == set()
    Draft202012Validator(json.loads((SUITE / "claim.schema.json").read_text())).validate(done.claim)


def not_passed(done: SuiteRun) -> set[str]:
    """The tests that didn't pass, but for the one that needs `strace`."""
    without_strace = set() if shutil.which("strace") else {"observed/lines while they are written"}
    return {one["test"] for one in done.claim["not_passed"]} - without_strace


def node() -> str:
    found = shutil.which("node")
    if not found:
        pytest.skip("node was not found: get Node 20 or later")
    return found


def driver(name: str) -> list[str]:
    """The command line of one of our drivers."""
    if name == "javascript":
        return [node(), str(ROOT / "javascript" / "bin" / "driver.js")]
    return [sys.executable, str(DRIVERS / {"mlvlogger": "python_driver.py", "minimal": "minimal.py"}[name])]


def assert_passed_together(run_suite: RunSuite, name: str, other: str) -> None:
    done = run_suite(*driver(name), options=("--against", shlex.join(driver(other)), "--seconds", 60))
    assert done.returncode == 0, done.stdout
    assert "failed" not in done.stdout and "warned" not in done.stdout, done.stdout


def test_javascript(run_suite: RunSuite) -> None:
    done = run_suite(node(), ROOT / "javascript" / "bin" / "driver.js", options=("--name", "mlv for JavaScript"))
    assert done.returncode == 0, done.stdout
    assert done.claim["classes"] == {"writer": "sealed", "reader": "core", "validator": "sealed"}
    assert not_passed(done) == set()


def test_mlvlogger_and_javascript_together(run_suite: RunSuite) -> None:
    assert_passed_together(run_suite, "mlvlogger", "javascript")


def test_the_tests_of_javascript() -> None:
    tests = sorted((ROOT / "javascript" / "test").glob("*.test.js"))
    done = subprocess.run([node(), "--test", *tests], capture_output=True, text=True, cwd=ROOT / "javascript")
    assert done.returncode == 0, done.stdout[-5000:]


def test_python_and_javascript_report_the_same_findings_for_damaged_experiments() -> None:
    """A short form of `trials/fuzz/differential.py`, which says how to compare thousands."""
    node()
    command: list[str | Path] = [
        sys.executable,
        ROOT / "trials" / "fuzz" / "differential.py",
        "--rounds",
        "4",
        "--seed",
        "3",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == "400 experiments: the same about 400, different about 0\n"


def test_the_smallest_writer(run_suite: RunSuite) -> None:
    done = run_suite(sys.executable, DRIVERS / "minimal.py", options=("--class", "writer"))
    assert done.returncode == 0, done.stdout
    assert done.claim["classes"] == {"writer": "sealed", "reader": None, "validator": None}


def test_the_digest_of_the_suite_equals_the_digest_that_the_shell_commands_print(
    run_suite: RunSuite, tmp_path: Path
) -> None:
    if not shutil.which("sha256sum"):
        pytest.skip("sha256sum was not found")
    run_suite(sys.executable, "-c", "raise SystemExit(64)")
    claim = json.loads((tmp_path / "claim.json").read_text())
    recipe = json.loads((SUITE / "claim.schema.json").read_text())["properties"]["suite"]["properties"]["sha256"]
    command = recipe["description"].partition(": ")[2]
    done = subprocess.run(command, shell=True, cwd=SUITE.resolve(), capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == claim["suite"]["sha256"]
