"""
The power of the suite: the reference validator with one of its checks switched off must fail it.

A mutant that no case notices is a rule, or a part of a rule, that the suite does not hold anybody to. The rule's own
cases are tried first, and for mutants that survive them the whole suite.
"""

import copy
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry

from mlv_conformance._cli import SUITE
from mlv_conformance._suite.cases import Case, Finding, load_cases, materialize
from mlv_validate import RULES, validate
from mlv_validate._fast import items, parallel
from mlv_validate._findings import Findings
from mlv_validate._rules import events, meta, records, values
from mlv_validate._rules.bytes import Parsed, parse
from mlv_validate._schema.checks import Check
from mlv_validate._schema.predicates import predicate
from mlv_validate._targets import discovery, stream
from mlv_validate._text import storable

CASES = load_cases(SUITE)
OF_DIRECTORIES = [name for name, rule in RULES.items() if rule.class_ == "directory"]
MASKING = [name for name in OF_DIRECTORIES if RULES[name].phase in ("bytes", "json", "schema") and name != "log.torn"]
"""Rules whose breach masks a record, so that not judging one is more than not reporting it."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The target of every case, made once: a validator only reads."""
    folder = tmp_path_factory.mktemp("cases")
    return {case.id: materialize(SUITE, case, folder / str(number)) for number, case in enumerate(CASES)}


def notices(case: Case, target: Path) -> bool:
    """Whether the case fails the validator as it is now."""
    [report] = validate(target, sealed=case.level == "sealed", anchor=case.anchor).targets
    found = {Finding(finding.rule, storable(finding.path), finding.line) for finding in report.findings}
    return found != case.findings or {entry.path for entry in report.unchecked} != case.unchecked


def killer(rule: str, made: dict[str, Path]) -> str | None:
    """The first case that notices the mutant at work."""
    first = sorted(CASES, key=lambda case: (case.rule != rule, not case.breaks))
    return next((case.id for case in first if notices(case, made[case.id])), None)


def forget() -> None:
    """Forget what was found good: it was judged by another mutant."""
    values._valid_values.clear()


@contextmanager
def muted(rule: str) -> Iterator[None]:
    """The rule is judged, and its findings are not reported."""
    add = Findings.add

    def quiet(self: Findings, name: str, *where: Any) -> None:
        if name != rule:
            add(self, name, *where)

    with patch.object(Findings, "add", quiet):
        yield


@contextmanager
def unjudged(rule: str) -> Iterator[None]:
    """The rule is not judged: what breaks it is not masked by it."""
    real_exists = values.is_calendar_day

    def blind(value: object) -> bool:
        return True

    def exists(text: str) -> bool:
        return rule == "time.exists" or real_exists(text)

    def lenient(raw: bytes, *, line: bool) -> Parsed:
        parsed = parse(raw, line=line)
        return Parsed(parsed.value, [(name, message) for name, message in parsed.broken if name != rule])

    with ExitStack() as stack:
        for check in every_check():
            if check.rule == rule:
                stack.enter_context(patch.object(check, "holds", blind))
        for module in (discovery, meta, stream):
            stack.enter_context(patch.object(module, "parse", lenient))
        stack.enter_context(patch.object(records, "is_calendar_day", exists))
        stack.enter_context(patch.object(values, "is_calendar_day", exists))
        yield


@pytest.mark.parametrize(
    ("rule", "switched_off"), [(rule, muted) for rule in OF_DIRECTORIES] + [(rule, unjudged) for rule in MASKING]
)
def test_a_validator_without_a_rule_fails(rule: str, switched_off: Any, made: dict[str, Path]) -> None:
    forget()
    try:
        with switched_off(rule):
            assert killer(rule, made) is not None, f"{rule}: no case fails a validator without it"
    finally:
        forget()


def test_the_unchanged_validator_passes(made: dict[str, Path]) -> None:
    """Without this, everything here could pass because of something else."""
    assert [case.id for case in CASES if notices(case, made[case.id])] == []


def every_check() -> Iterator[Check]:
    """The checks that records are judged by, each once."""
    found: dict[int, Check] = {}
    for module in (events, meta, values):
        stack: list[Any] = [value for value in vars(module).values() if isinstance(value, list | dict)]
        while stack:
            value = stack.pop()
            if isinstance(value, Check):
                found[id(value)] = value
            elif isinstance(value, list):
                stack.extend(value)
            elif isinstance(value, dict):
                stack.extend(value.values())
    return iter(found.values())


ASSERTIONS = {"type", "const", "enum", "pattern", "not", "required", "minimum", "maximum", "minLength", "maxLength"}
ASSERTIONS |= {"additionalProperties", "propertyNames", "uniqueItems", "items", "minItems", "maxItems", "contains"}


def places(schema: Any, *path: Any) -> Iterator[tuple[Any, ...]]:
    """The places of the assertions in a schema, outside of conditions."""
    if isinstance(schema, dict):
        for name, part in schema.items():
            if name in ASSERTIONS and path[-1:] not in [("properties",), ("$defs",), ("dependentSchemas",)]:
                yield (*path, name)
            if name != "if":
                yield from places(part, *path, name)
    elif isinstance(schema, list):
        for number, part in enumerate(schema):
            yield from places(part, *path, number)


def without(schema: Any, removed: list[tuple[Any, ...]]) -> Any:
    """A copy of the schema that lacks what is at these places."""
    changed = copy.deepcopy(schema)
    for place in removed:
        inner = changed
        for step in place[:-1]:
            inner = inner[step]
        del inner[place[-1]]
    return changed


Mutant = dict[Check, list[tuple[Any, ...]]]


def mutants() -> Iterator[tuple[str, Mutant]]:
    """
    Each assertion of each rule's schema left out, wherever the rule makes it.

    What a rule says twice, for example about a user's and a lifecycle event, is left out at once, since one
    of them alone would be held up by the other.
    """
    grouped: dict[str, Mutant] = {}
    for check in every_check():
        schema = check._validator.schema
        for place in places(schema):
            inner: Any = schema
            for step in place:
                inner = inner[step]
            where = ".".join(str(step) for step in place if isinstance(step, str) and step not in ("allOf", "then"))
            key = f"{check.rule}: {place[-1]}: {json.dumps(inner)} at {where.rpartition('properties.')[2]}"
            grouped.setdefault(key, {}).setdefault(check, []).append(place)
    yield from grouped.items()


def every_line(block: bytes) -> Iterator[items.Item]:
    """The lines of a block, none of them accepted by its shape alone."""
    start = 0
    for line in block[:-1].split(b"\n"):
        yield items.UnknownLine(start, start + len(line) + 1)
        start += len(line) + 1


@contextmanager
def left_out(mutant: Mutant) -> Iterator[None]:
    """The checks of the validator are without what the mutant lacks, and judge every line."""
    forget()
    with ExitStack() as stack:
        stack.enter_context(patch.object(parallel, "check_block", every_line))
        for check, removed in mutant.items():
            schema = without(check._validator.schema, removed)
            validator = Draft202012Validator(schema, registry=Registry())
            stack.enter_context(patch.object(check, "_validator", validator))
            stack.enter_context(patch.object(check, "holds", predicate(schema)))
        yield
    forget()


def test_a_validator_without_an_assertion_fails(made: dict[str, Path]) -> None:
    """Finer than rules: every `type`, `pattern`, `required`, … of a schema has a case that needs it."""
    survivors = set()
    for name, mutant in mutants():
        with left_out(mutant):
            if killer(name.partition(":")[0], made) is None:
                survivors.add(name)
    assert survivors == EQUIVALENT


EQUIVALENT = {
    'event.data: type: "object" at data.type',
    "event.name: minLength: 1 at event.minLength",
    'event.name: type: "string" at event.not.type',
    "metric.data: minLength: 1 at event.minLength",  # the form of event.name, as above
    'metric.data: type: "string" at event.not.type',
    'meta.extra: type: "object" at extra.type',
    'meta.environment: type: "object" at environment.type',
    'meta.params: type: "object" at params.type',
    'addition.changes: type: "object" at changes.type',
    'addition.changes: type: "object" at params.type',
    'addition.changes: type: "object" at extra.type',
}
"""Assertions that another one of the same rule implies: whatever isn't an object has no member `_mlv` either, say."""
