"""The harness and its scenarios are whole: their schema, the rules they name, and how the modules stand."""

import ast
import json
from collections import Counter
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from mlv_conformance._cli import SUITE
from mlv_conformance._scenarios import load_scenarios
from mlv_validate import RULES

PACKAGE = Path(__file__).parents[1] / "src" / "mlv_conformance"
UNTESTED = {"writer.fork", "writer.dropped"}  # a driver would need operations of its own for them
FLOORS = [
    ["_results", "_driver", "_suite", "_models"],
    ["_scenarios", "_vectors", "_left"],
    ["_validators", "_readers", "_writers"],
    ["_claim"],
    ["_cli"],
    ["__main__"],
]


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


def imported(path: Path) -> set[str]:
    nodes = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.ImportFrom)]
    return {node.module or "" for node in nodes}


def test_each_module_imports_only_downwards() -> None:
    floor = {name: number for number, names in enumerate(FLOORS) for name in names}
    modules = {path.stem: path for path in PACKAGE.glob("*.py") if path.stem != "__init__"}
    assert floor.keys() == modules.keys()
    for name, path in modules.items():
        own = {module.removeprefix("mlv_conformance.") for module in imported(path) if "mlv_conformance." in module}
        assert {other for other in own if floor[other] >= floor[name]} == set(), name
        assert not any(module.startswith("mlvlogger") for module in imported(path)), name
