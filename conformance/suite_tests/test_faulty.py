"""The suite fails the implementations in `faulty/`, each in a test of the rule that its mistake breaks."""

import re
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from mlv_conformance._cli import SUITE
from mlv_conformance._driver import Driver
from mlv_conformance._suite.scenarios import load_scenarios
from mlv_conformance._writers.runs import writer_results

from .faulty import writers

FAULTY = Path(__file__).parent / "faulty"


@pytest.mark.parametrize("id_", writers.FAULTS)
def test_a_faulty_writer_fails(id_: str) -> None:
    fault = writers.FAULTS[id_]
    scenarios = [one for one in load_scenarios(SUITE) if fnmatchcase(one.id, fault.scenarios)]
    driver = Driver([sys.executable, str(FAULTY / "writers.py"), id_], seconds=60)
    failed = [one for one in writer_results([driver], scenarios) if one.outcome in ("failed", "warned")]
    assert failed, f"{fault.scenarios} passes a writer with this mistake: {fault.plant.__doc__}"
    for result in failed:
        assert fault.rule in result.rules, f"{result.name} fails, which isn't a test of {fault.rule}"
        # The mistake is noticed, and not that the driver breaks.
        assert re.search(fault.says, result.detail) and "exit code" not in result.detail, result.detail
