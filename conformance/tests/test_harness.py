"""The harness and its scenarios are whole: their schema, and the rules they name."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from mlv_conformance._claim import reached_level
from mlv_conformance._cli import SUITE, main
from mlv_conformance._driver import Driver
from mlv_conformance._results import Result
from mlv_conformance._suite import locks
from mlv_conformance._suite.cases import load_cases, materialize
from mlv_conformance._suite.coverage import load_tests, rules_of, untested_rules
from mlv_conformance._suite.scenarios import load_scenarios
from mlv_conformance._writers import observed
from mlv_conformance._writers.runs import writer_results
from mlv_validate import RULES

UNTESTED = {one["rule"]: one for one in json.loads((SUITE / "untested.json").read_text("utf-8"))}


@pytest.mark.parametrize("path", sorted((SUITE / "scenarios").iterdir()), ids=lambda path: path.stem)
def test_a_scenario_file_is_valid_and_named_after_its_topic(path: Path) -> None:
    schemas = [json.loads((SUITE / name).read_text("utf-8")) for name in ("scenario.schema.json", "suite.schema.json")]
    registry = Registry().with_resources((schema["$id"], Resource.from_contents(schema)) for schema in schemas)
    content = json.loads(path.read_text("utf-8"))
    validator = Draft202012Validator(schemas[0], registry=registry)
    assert [f"{error.json_path}: {error.message}" for error in validator.iter_errors(content)] == []
    assert path.stem == content["topic"]


def test_every_rule_has_tests_or_is_listed_as_untested() -> None:
    tests = load_tests(SUITE)
    named = {rule for test in tests for rule in test.rules if not rule.startswith("vectors/")}
    whole = {rule for rule, one in UNTESTED.items() if "part" not in one}
    assert named <= RULES.keys() and named.isdisjoint(whole)
    assert RULES.keys() - named == whole
    assert [name for name, number in Counter((test.class_, test.name) for test in tests).items() if number > 1] == []


def test_the_list_of_untested_rules_is_valid_and_in_the_order_of_the_text() -> None:
    schemas = [json.loads((SUITE / name).read_text("utf-8")) for name in ("untested.schema.json", "suite.schema.json")]
    registry = Registry().with_resources((schema["$id"], Resource.from_contents(schema)) for schema in schemas)
    content = json.loads((SUITE / "untested.json").read_text("utf-8"))
    assert [error.message for error in Draft202012Validator(schemas[0], registry=registry).iter_errors(content)] == []
    of_classes = [rule for class_ in ("writer", "reader", "validator") for rule in rules_of(class_)]
    assert list(UNTESTED) == sorted(UNTESTED, key=of_classes.index)
    assert list(untested_rules(SUITE)) == sorted(UNTESTED, key=list(RULES).index)


def test_what_driver_md_promises_of_scenarios_and_paths(tmp_path: Path) -> None:
    for scenario in load_scenarios(SUITE):
        for steps in (steps for run in scenario.runs for steps in run.together):
            is_open, names = False, dict[Any, str]()
            for step in steps:
                operation = step.get("do", {})
                if operation.get("op") in ("create", "resume", "open"):
                    assert not is_open, f"{scenario.id} opens an experiment while one is open"
                    is_open = not step.get("refused")
                elif operation.get("op") == "close":
                    is_open = False
                if operation.get("span") == "begin" and "as" in step:
                    names[f"${step['as']}"] = operation["event"]
                if operation.get("within") in names:
                    assert operation["event"].startswith(f"{names[operation['within']]}/"), scenario.id
    for number, case in enumerate(case for case in load_cases(SUITE) if case.target != "."):
        target = materialize(SUITE, case, tmp_path / str(number))
        assert os.path.lexists(target), f"{case.id} has a target that doesn't exist"


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mlv_conformance", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


SILENT = """
import sys
for path in sys.argv[2:]:
    print('{"findings": [], "unchecked": []}', flush=True)
"""
"""A validator that never finds anything."""


def test_the_list_has_the_topics_and_with_a_pattern_the_tests() -> None:
    topics = run("--list", "--class", "writer").stdout.splitlines()
    number = sum(scenario.topic == "spans" for scenario in load_scenarios(SUITE))
    assert f"writer     {number:>4}  spans/*" in topics
    assert all(line.startswith("writer ") for line in topics)
    assert "reader       16  vectors/ids/*" in run("--list").stdout.splitlines()
    tests = run("--list", "--only", "spans/*").stdout.splitlines()
    assert tests == [f"writer     {one.id}" for one in load_scenarios(SUITE) if one.topic == "spans"]
    done = run("--list", "--class", "reader", "--only", "spans/*")
    assert (done.returncode, done.stdout) == (2, "") and "--only 'spans/*' matches no test" in done.stderr


def test_without_a_driver_nothing_runs() -> None:
    done = run("--only", "spans/*")
    assert (done.returncode, done.stdout) == (2, "") and "DRIVER is missing" in done.stderr


def test_a_driver_that_supports_nothing_is_not_tested() -> None:
    done = run("--only", "log.blank/*", "--", sys.executable, "-c", "raise SystemExit(64)")
    assert done.returncode == 1
    assert done.stdout.splitlines()[1:] == ["nothing was tested: the driver supports none of the commands"]


def test_scenarios_of_one_process_are_not_tested_against_another_driver() -> None:
    other = f"{sys.executable} -c pass"
    name = next(one.id for one in load_scenarios(SUITE) if not one.has_several_processes)
    done = run("--against", other, "--only", name, "--", sys.executable, "-c", "pass")
    assert (done.returncode, done.stdout) == (1, "nothing was tested: no matching test has several processes\n")


def test_rules_that_were_not_run_are_apart_from_rules_that_the_suite_cannot_test() -> None:
    done = run("--class", "validator", "--only", "log.blank/*", "--", sys.executable, "-c", SILENT)
    of_the_run, of_the_suite = done.stdout.splitlines()[-2:]
    assert re.fullmatch("not tested in this run: [0-9]+ rules", of_the_run)
    assert of_the_suite.startswith("not covered by the suite: ") and ": validator.read-only (locks, " in of_the_suite
    assert ", validator.contained, validator.network, validator.terminal, validator.exit" in of_the_suite


@pytest.mark.slow
def test_a_failed_test_is_kept_with_all_that_shows_why(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    arguments = ("--only", "layout.types/*", "--keep", kept, "--", sys.executable, "-c", SILENT)
    done = run(*arguments)
    folders = [Path(line.removeprefix("  kept in ")) for line in done.stdout.splitlines() if line.startswith("  kept")]
    assert folders and len(set(folders)) == len(folders) == done.stdout.count("failed: ")
    for folder in folders:
        test = json.loads((folder / "test.json").read_text())
        assert test["rule"] == "layout.types" and test["findings"]
        assert (folder / "result.txt").read_text().startswith(f"validator: layout.types/{test['name']}\n")
        assert (folder / "directory").is_dir()
        transcript = (folder / "transcript.txt").read_text().splitlines()
        assert transcript[0].startswith("[1] $ ") and str(folder / "directory") in " ".join(transcript)
        assert '[1] < {"findings": [], "unchecked": []}' in transcript
    again = subprocess.run([folders[0] / "rerun.sh"], capture_output=True, text=True)
    assert again.returncode == 1
    first = next(line for line in done.stdout.splitlines() if line.startswith("failed: "))
    assert again.stdout.splitlines()[:2] == [first, "validator at level Core: 1 failed"]
    full = run(*arguments)
    assert (full.returncode, full.stdout) == (2, "") and "isn't empty" in full.stderr


@pytest.mark.slow
def test_a_kept_scenario_has_the_operations_and_the_answers(tmp_path: Path) -> None:
    program = "import sys\nfor line in sys.stdin:\n    print('{\"id\": 5}', flush=True)\nsys.exit('it is broken')"
    name = load_scenarios(SUITE)[0].id
    done = run("--only", name, "--keep", tmp_path / "kept", "--", sys.executable, "-c", program)
    [folder] = {line.removeprefix("  kept in ") for line in done.stdout.splitlines() if line.startswith("  kept")}
    transcript = Path(folder, "transcript.txt").read_text()
    assert '[1] > {"op": "create"' in transcript and '[1] < {"id": 5}' in transcript
    assert "[1] ! exit code 1\n[1] 2 it is broken\n" in transcript
    assert "TZ=Asia/Kathmandu" in transcript
    assert "my_exp_1 was acknowledged and has no meta.json" in Path(folder, "result.txt").read_text()


def test_a_validator_that_changes_the_directory_fails() -> None:
    program = "import sys, pathlib\npathlib.Path(sys.argv[2], 'stray').write_text('')" + SILENT
    done = run("--class", "validator", "--only", "log.blank/*", "--", sys.executable, "-c", program)
    assert "stray was created or removed" in done.stdout


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Return what the command prints for options that it refuses."""

    def run(*options: str) -> str:
        monkeypatch.setattr(sys, "argv", ["mlv-conformance", *options, "--", sys.executable, "-c", ""])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        assert (ended.value.code, printed.out) == (2, "")
        return printed.err

    return run


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        (["--only", "session/*"], r"Did you mean 'sessions/\*'"),
        (["--only", "torn"], "Did you mean '.*torn.*'"),
        (["--only", "log.blankk/*", "--class", "validator"], r"Did you mean 'log.blank/\*'"),
        (["--only", "qqq", "--class", "writer"], r"Choose one of [0-9]+ names, which --list shows, such as '.*/\*'"),
        (["--only", ""], "Choose one of "),
        (["--only", "log.blank/*", "--class", "writer"], ""),
    ],
)
def test_a_pattern_that_matches_no_test_is_an_error_with_known_names(
    options: list[str], advice: str, refused: Callable[..., str]
) -> None:
    pattern = f"mlv-conformance: error: --only {re.escape(repr(options[1]))} matches no test\\. {advice}"
    assert re.match(pattern, error := refused(*options)), error


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--against", "a driver", "--claim", "claim.json"], "--against tests two writers together"),
        (["--against", "a driver", "--class", "reader"], "--against tests two writers together"),
        (["--against", "it's"], "--against \"it's\" isn't a command line: No closing quotation."),
        (["--against", ""], "--against is empty. Give the command line of a driver."),
    ],
)
def test_wrong_usage_of_a_second_driver_is_an_error(
    options: list[str], message: str, refused: Callable[..., str]
) -> None:
    assert refused(*options).startswith(f"mlv-conformance: error: {message}")


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
    assert outcomes("observed/a metadata record while it is added") == {"omitted"}


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
