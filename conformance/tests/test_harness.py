"""The harness and its scenarios are whole: their schema, and the rules they name."""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from mlv_conformance._claim import reached_level
from mlv_conformance._cli import SUITE
from mlv_conformance._driver import Driver
from mlv_conformance._results import Result
from mlv_conformance._suite import locks
from mlv_conformance._suite.scenarios import load_scenarios
from mlv_conformance._writers import observed
from mlv_conformance._writers.runs import writer_results
from mlv_validate import RULES

UNTESTED = {"writer.fork", "writer.lock-notice"}  # a driver would need separate operations for them
UNTESTED |= {"writer.lock-process", "writer.lock-kernel"}  # the suite can't see which process writes with which lock


@pytest.mark.parametrize("path", sorted((SUITE / "scenarios").iterdir()), ids=lambda path: path.stem)
def test_a_scenario_file_is_valid_and_named_after_its_topic(path: Path) -> None:
    schemas = [json.loads((SUITE / name).read_text("utf-8")) for name in ("scenario.schema.json", "suite.schema.json")]
    registry = Registry().with_resources((schema["$id"], Resource.from_contents(schema)) for schema in schemas)
    content = json.loads(path.read_text("utf-8"))
    validator = Draft202012Validator(schemas[0], registry=registry)
    assert [f"{error.json_path}: {error.message}" for error in validator.iter_errors(content)] == []
    assert path.stem == content["topic"]


def test_every_rule_for_writers_has_scenarios() -> None:
    scenarios = load_scenarios(SUITE)
    of_writers = {name for name, rule in RULES.items() if rule.class_ == "writer"}
    assert {rule for scenario in scenarios for rule in scenario.rules} == of_writers - UNTESTED
    assert [name for name, number in Counter(scenario.id for scenario in scenarios).items() if number > 1] == []


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        (["--only", "session/*"], r"Did you mean 'sessions/\*'"),
        (["--only", "torn"], "Did you mean '.*torn.*'"),
        (["--only", "log.blankk/*", "--class", "validator"], r"Did you mean 'log.blank/\*'"),
        (["--only", "qqq", "--class", "writer"], r"Choose one of [0-9]+ names, such as '.*/\*'"),
        (["--only", ""], "Choose one of "),
        (["--only", "log.blank/*", "--class", "writer"], ""),
    ],
)
def test_a_pattern_that_matches_no_test_is_an_error_with_known_names(options: list[str], advice: str) -> None:
    command = [sys.executable, "-m", "mlv_conformance", *options, "--", sys.executable, "-c", ""]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    pattern = f"mlv-conformance: error: --only {re.escape(repr(options[1]))} matches no test\\. {advice}"
    assert re.match(pattern, done.stderr), done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--against", "a driver", "--claim", "claim.json"], "--against tests two writers together"),
        (["--against", "a driver", "--class", "reader"], "--against tests two writers together"),
        (["--against", "it's"], "--against \"it's\" isn't a command line: No closing quotation."),
        (["--against", ""], "--against is empty. Give the command line of a driver."),
    ],
)
def test_wrong_usage_of_a_second_driver_is_an_error(options: list[str], message: str) -> None:
    command = [sys.executable, "-m", "mlv_conformance", *options, "--", sys.executable, "-c", ""]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"mlv-conformance: error: {message}")


@pytest.mark.slow
def test_a_scenario_with_the_lock_file_of_a_process_is_omitted_without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "_PIDS", Path("missing"))
    scenarios = [one for one in load_scenarios(SUITE) if one.id == "locks/a lock file of a living process"]
    driver = Driver([sys.executable, str(SUITE.resolve().parent / "drivers" / "python_driver.py")], seconds=60)
    [result] = writer_results([driver], scenarios)
    assert result.outcome == "omitted" and "missing" in result.detail


DRIVER = [sys.executable, str(SUITE.resolve().parent / "drivers" / "python_driver.py")]


def outcomes(name: str) -> set[str]:
    """The outcomes of a scenario with the Python driver."""
    scenarios = [one for one in load_scenarios(SUITE) if one.id == name]
    return {result.outcome for result in writer_results([Driver(DRIVER, seconds=60)], scenarios)}


@pytest.mark.slow
def test_without_strace_the_calls_of_a_driver_are_not_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert outcomes("observed/lines while they are written") == {"omitted"}


@pytest.mark.slow
def test_a_publication_that_nobody_saw_is_not_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observed, "_has_temporary", lambda experiment: False)
    assert outcomes("observed/a meta record while it is added") == {"omitted"}


@pytest.mark.slow
def test_without_limits_of_other_processes_a_full_disk_is_not_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("resource.prlimit", raising=False)
    assert outcomes("observed/a disk that is full for an event") == {"omitted"}


def test_a_claim_needs_no_test_of_a_should_that_the_machine_cannot_make() -> None:
    passed = Result("writer", "core", "a", ("writer.line",), "passed")
    assert reached_level("writer", [passed, Result("writer", "core", "b", ("writer.one-call",), "omitted")]) == "core"
    assert reached_level("writer", [passed, Result("writer", "core", "b", ("writer.publish",), "omitted")]) is None


def test_a_claim_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    folder = tmp_path / "suite"
    folder.mkdir()
    claim = tmp_path / "missing" / "claim.json"
    command = [
        sys.executable,
        "-m",
        "mlv_conformance",
        "--suite",
        str(folder),
        "--claim",
        str(claim),
        "--",
        sys.executable,
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert done.stderr.startswith("mlv-conformance: error: ") and "missing" in done.stderr
