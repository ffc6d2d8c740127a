"""Drivers that are wrong on purpose fail, each in the tests that exist for its fault."""

import re
import shlex
import sys
from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from mlv_conformance._cli import SUITE
from mlv_conformance._suite.coverage import load_tests, rules_of, untested_rules
from mlv_conformance._suite.scenarios import load_scenarios
from mlv_validate import RULES

from .conftest import RunSuite
from .faulty import readers, writers
from .test_implementations import driver
from .wrong_reader import FAULTS as READER_FAULTS
from .wrong_writer import FAULTS

HERE = Path(__file__).parent


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_writer_is_noticed(fault: str, run_suite: RunSuite) -> None:
    _, topics = FAULTS[fault]
    options = ("--class", "writer", "--only", topics, "--seconds", 3 if fault == "hangs" else 30)
    done = run_suite(sys.executable, HERE / "wrong_writer.py", fault, options=options)
    rules = {rule for one in load_scenarios(SUITE) if fnmatchcase(one.id, topics) for rule in one.rules}
    outcome = "failed" if any(RULES[rule].level == "MUST" for rule in rules) else "warned"
    assert Counter(line.split(":")[0] for line in done.stdout.splitlines())[outcome] >= 1, done.stdout
    assert done.returncode == (outcome == "failed")


@pytest.mark.parametrize(("class_", "faults"), [("writer", FAULTS), ("reader", READER_FAULTS)])
def test_a_rule_counts_as_tested_only_if_a_wrong_driver_is_aimed_at_its_tests(class_: str, faults: Any) -> None:
    """Otherwise it belongs in `suite/untested.json`: a name in a test doesn't show that the test notices anything."""
    tests = [test for test in load_tests(SUITE) if test.class_ == class_]
    faulty = writers.FAULTS if class_ == "writer" else readers.FAULTS
    topics = {pattern for _, pattern in faults.values()} | {fault.tests for fault in faulty.values()}
    aimed = {rule for test in tests for rule in test.rules if any(fnmatchcase(test.name, one) for one in topics)}
    whole = {rule for rule, part in untested_rules(SUITE).items() if part is None}
    assert [rule for rule in rules_of(class_) if rule not in aimed | whole] == []


@pytest.mark.parametrize("fault", READER_FAULTS)
def test_a_wrong_reader_is_noticed(fault: str, run_suite: RunSuite) -> None:
    _, topics = READER_FAULTS[fault]
    options = ("--class", "reader", "--only", topics)
    done = run_suite(sys.executable, HERE / "wrong_reader.py", fault, options=options)
    assert Counter(line.split(":")[0] for line in done.stdout.splitlines())["failed"] >= 1, done.stdout
    # It is noticed by what it answers, not because it breaks.
    assert re.search("instead of|was created or removed", done.stdout) and "exit code" not in done.stdout, done.stdout
    assert done.returncode == 1


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
