"""Every implementation in this repository passes the whole suite, and claims what it passes."""

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from mlv_conformance._cli import SUITE

from .conftest import ROOT, RunSuite, SuiteRun, load_script

DRIVERS = ROOT / "conformance" / "drivers"


claims = load_script(ROOT / "conformance" / "claims.py")

LEVELS = {
    "mlvlogger": {"writer": "sealed", "reader": "core", "validator": None},
    "mlv-validate": {"writer": None, "reader": None, "validator": "sealed"},
    "javascript": {"writer": "sealed", "reader": "core", "validator": "sealed"},
    "minimal": {"writer": "sealed", "reader": None, "validator": None},
}


@pytest.mark.parametrize("own", claims.OWN, ids=[own.name for own in claims.OWN])
def test_an_implementation_passes_the_suite_and_its_public_claim_is_true(own: Any, run_suite: RunSuite) -> None:
    if own.driver[0] == "node":
        node()
    *options, _ = arguments = claims.command(own)[: -len(own.driver)]
    assert arguments[-1] == "--"
    done = run_suite(*own.driver, options=tuple(options))
    assert done.returncode == 0, done.stdout
    assert done.claim["classes"] == LEVELS[own.name]
    assert not_passed(done) == set()
    Draft202012Validator(json.loads((SUITE / "claim.schema.json").read_text())).validate(done.claim)
    if not done.claim["not_passed"]:
        found = json.dumps(done.claim, indent=2)[:5000]
        assert claims.same(claims.committed(own), done.claim), f"{NEW_CLAIMS}\n{found}"


NEW_CLAIMS = "A claim in conformance/claims/ isn't what the suite finds now. Run: python conformance/claims.py"


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
