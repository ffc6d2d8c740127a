"""Which rules the suite tests: those that its tests name, but for those of which it can't see whether they are kept."""

import json
from pathlib import Path
from typing import NamedTuple

from mlv_conformance._suite.cases import load_cases
from mlv_conformance._suite.scenarios import load_scenarios
from mlv_conformance._suite.vectors import load_reads, load_slot_cases, load_statements
from mlv_validate import RULES


class Test(NamedTuple):
    """The class, the name and the rules of a test."""

    class_: str
    name: str
    rules: tuple[str, ...]

    @property
    def topic(self) -> str:
        """The part of the name that all tests of a file have."""
        parts = self.name.split("/")
        return "/".join(parts[: 2 if parts[0] in ("reads", "vectors") else 1])


def load_tests(suite: Path) -> list[Test]:
    """Return the tests of a suite, in the order in which they run."""
    tests = [Test("writer", one.id, one.rules) for one in load_scenarios(suite)]
    tests += [Test("reader", one.id, one.rules) for one in load_reads(suite)]
    tests += [Test("validator", one.id, one.tested_rules) for one in load_cases(suite) + load_slot_cases(suite)]
    return tests + [Test("validator", one.case.id, ("validator.statement",)) for one in load_statements(suite)]


def untested_rules(suite: Path) -> dict[str, str | None]:
    """Return the rules that the suite doesn't test, or not wholly, each with the part that it doesn't test.

    The part is None if it is the whole rule.
    """
    named = {rule for test in load_tests(suite) for rule in test.rules}
    path = suite / "untested.json"
    listed = {one["rule"]: one.get("part") for one in json.loads(path.read_text("utf-8"))} if path.exists() else {}
    return {rule: listed.get(rule) for rule in RULES if rule in listed or rule not in named}


def rules_of(class_: str) -> list[str]:
    """Return the rules that the tests of a class are about: those of validators include the directory's."""
    of = ("validator", "directory") if class_ == "validator" else (class_,)
    return [name for name, rule in RULES.items() if rule.class_ in of]
