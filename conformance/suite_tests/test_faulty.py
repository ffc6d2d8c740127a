"""The suite fails the implementations in `faulty/`, each in a test of the rule that its mistake breaks."""

import re
import sys
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from mlv_conformance._cli import SUITE
from mlv_conformance._driver import Driver
from mlv_conformance._readers import reader_results
from mlv_conformance._results import Result
from mlv_conformance._suite.cases import load_cases
from mlv_conformance._suite.scenarios import load_scenarios
from mlv_conformance._validators import validator_results
from mlv_conformance._writers.runs import writer_results

from .faulty import readers, validators, writers
from .faulty.planting import Fault

FAULTY = Path(__file__).parent / "faulty"


def driver(file: str, id_: str) -> Driver:
    return Driver([sys.executable, str(FAULTY / file), id_], seconds=60)


def check_noticed(fault: Fault, results: Iterable[Result]) -> None:
    """Check that a test fails, and that each test that fails is one of the rule, and fails because of the mistake."""
    failed = [one for one in results if one.outcome in ("failed", "warned")]
    assert failed, f"{fault.tests} passes an implementation with this mistake: {fault.plant.__doc__}"
    for result in failed:
        assert fault.rule in result.rules, f"{result.name} fails, which isn't a test of {fault.rule}"
        assert re.search(fault.says, result.detail) and "exit code" not in result.detail, result.detail


@pytest.mark.parametrize("id_", writers.FAULTS)
def test_a_faulty_writer_fails(id_: str) -> None:
    fault = writers.FAULTS[id_]
    scenarios = [one for one in load_scenarios(SUITE) if fnmatchcase(one.id, fault.tests)]
    check_noticed(fault, writer_results([driver("writers.py", id_)], scenarios))


@pytest.mark.parametrize("id_", readers.FAULTS)
def test_a_faulty_reader_fails(id_: str) -> None:
    fault = readers.FAULTS[id_]
    check_noticed(fault, reader_results(driver("readers.py", id_), SUITE, lambda name: fnmatchcase(name, fault.tests)))


@pytest.mark.parametrize("id_", validators.FAULTS)
def test_a_faulty_validator_fails(id_: str) -> None:
    fault = validators.FAULTS[id_]
    cases = [one for one in load_cases(SUITE) if fnmatchcase(one.id, fault.tests)]
    check_noticed(fault, validator_results(driver("validators.py", id_), SUITE, cases))
