"""Drivers that are wrong on purpose fail, each in the tests that exist for its fault."""

import re
import shlex
import sys
from collections import Counter
from collections.abc import Set
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from mlv_conformance._cli import SUITE
from mlv_conformance._suite.cases import Case, Finding, load_cases
from mlv_conformance._suite.coverage import load_tests, rules_of, untested_rules
from mlv_conformance._suite.scenarios import load_scenarios
from mlv_conformance._validators import differences
from mlv_validate import RULES

from .conftest import RunSuite
from .faulty import readers, writers
from .test_implementations import driver
from .wrong_reader import FAULTS as READER_FAULTS
from .wrong_validator import FAULTS as VALIDATOR_FAULTS
from .wrong_writer import FAULTS

HERE = Path(__file__).parent


def rules_that_fail(stdout: str, class_: str) -> set[str]:
    """Return the rules of the tests that failed or warned, as the command prints them."""
    lines = [line.split(": ", 2)[2] for line in stdout.splitlines() if line.startswith(("failed: ", "warned: "))]
    tests = [test for test in load_tests(SUITE) if test.class_ == class_]
    return {rule for test in tests for rule in test.rules if any(line.startswith(f"{test.name}: ") for line in lines)}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_writer_is_noticed(fault: str, run_suite: RunSuite) -> None:
    _, rule, topics = FAULTS[fault]
    options = ("--class", "writer", "--only", topics, "--seconds", 3 if fault == "hangs" else 30)
    done = run_suite(sys.executable, HERE / "wrong_writer.py", fault, options=options)
    rules = {rule for one in load_scenarios(SUITE) if fnmatchcase(one.id, topics) for rule in one.rules}
    outcome = "failed" if any(RULES[rule].level == "MUST" for rule in rules) else "warned"
    assert Counter(line.split(":")[0] for line in done.stdout.splitlines())[outcome] >= 1, done.stdout
    assert done.returncode == (outcome == "failed")
    assert rule is None or rule in rules_that_fail(done.stdout, "writer"), done.stdout


@pytest.mark.parametrize("fault", READER_FAULTS)
def test_a_wrong_reader_is_noticed(fault: str, run_suite: RunSuite) -> None:
    _, rule, topics = READER_FAULTS[fault]
    options = ("--class", "reader", "--only", topics)
    done = run_suite(sys.executable, HERE / "wrong_reader.py", fault, options=options)
    assert Counter(line.split(":")[0] for line in done.stdout.splitlines())["failed"] >= 1, done.stdout
    # It is noticed by what it answers, not because it breaks.
    assert re.search("instead of|was created or removed", done.stdout) and "exit code" not in done.stdout, done.stdout
    assert done.returncode == 1
    assert rule in rules_that_fail(done.stdout, "reader"), done.stdout


@pytest.mark.parametrize("fault", VALIDATOR_FAULTS)
def test_a_wrong_validator_is_noticed(fault: str, run_suite: RunSuite) -> None:
    _, rule, topics = VALIDATOR_FAULTS[fault]
    options = ("--class", "validator", "--only", topics)
    done = run_suite(sys.executable, HERE / "wrong_validator.py", fault, options=options)
    assert done.returncode == 1 and "exit code" not in done.stdout, done.stdout
    assert rule in rules_that_fail(done.stdout, "validator"), done.stdout


def fails(case: Case, findings: Set[Finding]) -> bool:
    """Return whether a driver fails a case that answers it with these findings, and otherwise as it should."""
    answer = {"findings": [one._asdict() for one in findings], "unchecked": [*case.unchecked], "matches": case.matches}
    return any(differences(case, answer))


def noticed_rules_of_directories() -> set[str]:
    """Return the rules whose own cases fail a validator that never reports them, and one that always reports them."""
    never, always = set(), set()
    for case in load_cases(SUITE):
        if fails(case, {one for one in case.findings if one.rule != case.rule}):
            never.add(case.rule)
        if not case.breaks and fails(case, case.findings | {Finding(case.rule, ".", None)}):
            always.add(case.rule)
    return never & always


def broken_rules(class_: str) -> set[str]:
    """Return the rules that a faulty implementation breaks; other tests show that a test of the rule notices it."""
    named = {
        "writer": {rule for _, rule, _ in FAULTS.values() if rule} | {one.rule for one in writers.FAULTS.values()},
        "reader": {rule for _, rule, _ in READER_FAULTS.values()} | {one.rule for one in readers.FAULTS.values()},
        "validator": {rule for _, rule, _ in VALIDATOR_FAULTS.values()} | noticed_rules_of_directories(),
    }
    return named[class_]


@pytest.mark.parametrize("class_", ["writer", "reader", "validator"])
def test_a_rule_counts_as_tested_only_if_a_faulty_implementation_that_breaks_it_fails(class_: str) -> None:
    """Otherwise it belongs in `suite/untested.json`: a name in a test doesn't show that the test notices anything."""
    whole = {rule for rule, part in untested_rules(SUITE).items() if part is None}
    broken = broken_rules(class_)
    assert [rule for rule in rules_of(class_) if (rule in broken) == (rule in whole)] == []


@pytest.mark.parametrize(
    ("program", "fault", "topics", "says"),
    [
        (
            "wrong_reader.py",
            "canonical_id",
            "sessions/going on after an end",  # codespell:ignore
            "my_exp_1 is read differently: id is ",
        ),
        ("wrong_writer.py", "never_looks", "locks/a stream that another process writes", "was not refused"),
    ],
)
def test_a_driver_that_agrees_only_with_itself_is_noticed(
    program: str, fault: str, topics: str, says: str, run_suite: RunSuite
) -> None:
    wrong = (sys.executable, HERE / program, fault)
    assert run_suite(*wrong, options=("--class", "writer", "--only", topics)).returncode == 0
    done = run_suite(*wrong, options=("--only", topics, "--against", shlex.join(driver("javascript")), "--seconds", 30))
    assert done.returncode == 1
    assert re.search(rf"failed: .* \((DRIVER|OTHER) first\): .*{says}", done.stdout), done.stdout


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("import time; time.sleep(60)", "there was no answer within 1 seconds"),
        ("import os; os.abort()", "it was ended by signal 6 instead of an answer"),
        ("raise SystemExit(7)", "it ended with exit code 7 instead of an answer"),
        ("pass", "it ended with exit code 0 instead of an answer"),
        ("print('[]')", "its answer isn't a JSON object"),
        ("print('{')", "its answer is not JSON"),
        ("print('{\"a\":NaN}')", "its answer is not JSON"),
        ("print('{}')", "the answer doesn't have the form that DRIVER.md describes"),
        ("import sys; sys.stdout.buffer.write(bytes(range(128, 256)) + b'\\n')", "its answer is not JSON"),
    ],
)
def test_a_misbehaving_driver_fails_the_test_and_does_not_stop_the_harness(
    program: str, says: str, run_suite: RunSuite
) -> None:
    seconds = 1 if "sleep" in program else 60  # for an answer
    options = ("--class", "validator", "--only", "event.time/*", "--seconds", seconds)
    done = run_suite(sys.executable, "-c", program, options=options)
    assert done.returncode == 1
    assert says in done.stdout.splitlines()[0]


def test_an_unsupported_test_is_counted_and_does_not_pass(run_suite: RunSuite) -> None:
    done = run_suite(sys.executable, "-c", "raise SystemExit(64)")
    assert done.returncode == 1, "nothing passed"
    assert set(done.claim["classes"].values()) == {None}
    outcomes = Counter(one["outcome"] for one in done.claim["not_passed"])
    assert list(outcomes) == ["unsupported"] and outcomes.total() == sum(
        total["unsupported"] for total in done.claim["totals"].values()
    )


def test_a_part_of_the_suite_gives_no_claim(run_suite: RunSuite) -> None:
    done = run_suite("true", options=("--only", "a", "--claim", "x"))
    assert done.returncode == 2 and "leave one out" in done.stderr


def test_a_missing_driver_is_wrong_usage(run_suite: RunSuite) -> None:
    done = run_suite("./no-such-driver")
    assert done.returncode == 2 and "'./no-such-driver' cannot be run" in done.stderr
