"""What a finding costs, in calls of `json.loads` that fail: a ratio, by the time of the processor."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARK = Path(__file__).parents[2] / "trials" / "benchmarks" / "validator" / "findings.py"
AT_MOST = 3
LINES = 100_000


@pytest.fixture(scope="module")
def findings() -> ModuleType:
    spec = importlib.util.spec_from_file_location("findings_benchmark", BENCHMARK)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize(
    "kinds",
    [
        "empty",
        "one letter",
        "text",
        "cut off",
        "a number",
        "no members",
        "no time",
        "a further member",
        "a name twice",
        "seq as a string",
        "the same seq",
        "local time",
        "within nothing",
        "a typed value",
        "text, no time, seq as a string",
    ],
)
def test_a_finding_costs_at_most_three_calls_of_loads_that_fail(
    kinds: str, findings: ModuleType, tmp_path: Path
) -> None:
    lines = LINES * (1 + kinds.count(","))
    found = findings.ratio(tmp_path / "log.jsonl", [findings.KINDS[kind] for kind in kinds.split(", ")], lines, 3)
    assert found <= AT_MOST


@pytest.mark.slow
def test_a_finding_that_is_only_counted_costs_at_most_that_if_all_kinds_alternate(
    findings: ModuleType, tmp_path: Path
) -> None:
    assert findings.growth(tmp_path / "log.jsonl", LINES, 6 * LINES, 5) <= AT_MOST


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["a start's seq", "a pause's seq", "a rewind's to", "a begin's seq", "an end's begin"])
def test_a_wrong_number_costs_at_most_three_calls_of_loads_more_than_a_right_one(
    kind: str, findings: ModuleType, tmp_path: Path
) -> None:
    assert findings.difference(tmp_path / "log.jsonl", *findings.NUMBERS[kind], LINES // 4, 3) <= AT_MOST
