"""The schemas taken apart say the same as the schemas whole."""

import json
import random
from functools import cache
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from mlv_validate import RULES
from mlv_validate._rules.events import check_event
from mlv_validate._rules.meta import check_meta
from mlv_validate._rules.values import check_typed
from mlv_validate._rules.versions import is_known, parse_version
from mlv_validate._schema.checks import SCHEMAS

REGISTRY: Registry = Registry().with_resources((s["$id"], Resource.from_contents(s)) for s in SCHEMAS.values())
DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
ID = f"sha256:{DIGEST}"
TIME = "2026-11-22T18:24:00.000000Z"
TYPED: list[dict[str, Any]] = [
    {"_mlv": "float", "value": "nan"},
    {"_mlv": "int", "value": "-9007199254740992"},
    {"_mlv": "datetime", "value": "2026-11-22T19:24:00.5+01:00"},
    {"_mlv": "datetime-local", "value": "2026-11-22T19:24:00"},
    {"_mlv": "date", "value": "2026-11-22"},
    {"_mlv": "time", "value": "19:24:00Z"},
    {"_mlv": "duration", "value": "-0.5"},
    {"_mlv": "bytes", "value": "AAA="},
    {"_mlv": "string", "value": "d800"},
    {"_mlv": "file", "path": "files/a.png", "size": 1, "sha256": DIGEST, "media_type": "image/png", "experiment": ID},
    {"_mlv": "external", "path": "/a", "host": "b", "size": 1, "sha256": DIGEST, "modified": TIME},
    {"_mlv": "experiment", "id": ID, "path": ".."},
    {"_mlv": "event", "experiment": ID, "stream": "log.jsonl", "seq": 1},
    {"_mlv": "histogram", "edges": [0, 0.5, 1], "counts": [3, 4], "min": 0, "sum": {"_mlv": "float", "value": "inf"}},
    {"_mlv": "table", "columns": ["a", "b"], "rows": [[1, "x"], [None, {"_mlv": "float", "value": "nan"}]]},
    {"_mlv": "redacted"},
    {"_mlv": "unencodable", "type": "a", "repr": "b"},
    {"_mlv": "com.example.a", "value": {"_mlv": 1}},
]
WRONG: list[Any] = [
    None,
    True,
    0,
    -1,
    1.0,
    1.5,
    2**53 - 1,
    "",
    "x",
    "../x",
    "x\n",
    "mlv/x",
    "mlv/end",
    "begin",
    [],
    {},
    ["", ""],
]


@cache
def named(name: str, rule: str) -> Draft202012Validator:
    schema = SCHEMAS[name]
    own = rule in schema["$defs"]
    reference = f"{schema['$id'] if own else 'urn:mlv:1.0:meta'}#/$defs/{rule}"
    return Draft202012Validator({"$ref": reference}, registry=REGISTRY)


def broken_by_the_schema(name: str, value: object) -> set[str]:
    """Each named subschema by itself, in the words of spec/README.md; without typed values inside."""
    schema = SCHEMAS[name]
    parts = schema["$defs"]["typed"]["allOf"] if name == "value" else schema["allOf"]
    rules = {part["$ref"].rpartition("/")[2] for part in parts} | ({"environment.facts"} if "meta" in name else set())
    return {rule for rule in rules if "." in rule and not named(name, rule).is_valid(value)}


def mutations(value: dict[str, Any], number: int, seed: int) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    results = [value]
    for _ in range(number):
        new = json.loads(json.dumps(value))
        at = new
        while rng.random() < 0.5 and any(isinstance(inner, dict) and inner for inner in at.values()):
            at = rng.choice([inner for inner in at.values() if isinstance(inner, dict) and inner])
        name = rng.choice([*at, "extra", "span", "within", "begin", "seconds"])
        if rng.random() < 0.2:
            at.pop(name, None)
        else:
            at[name] = rng.choice([*WRONG, *at.values()])
        results.append(new)
    return results


EVENTS: list[dict[str, Any]] = [
    {"seq": 1, "time": TIME, "event": "a/b", "data": {"loss": 0.5}, "within": 1},
    {"seq": 1, "time": TIME, "event": "a", "data": {}, "span": "begin"},
    {"seq": 1, "time": TIME, "event": "a", "data": {}, "span": "end", "begin": 1, "seconds": 0.5},
    *(
        {"seq": 1, "time": TIME, "event": f"mlv/{name}", "data": data}
        for name, data in {
            "start": {"mlv": "1.0", "experiment": ID, "record": {"number": 1, "sha256": DIGEST}, "pid": 1, "host": "a"}
            | {"writer": {"name": "a", "version": "b"}, "recovered": {"size": 1, "sha256": DIGEST}},
            "pause": {"reason": "a"},
            "resume": {},
            "rewind": {"to": 0, "reason": "a"},
            "dropped": {"first": 1, "last": 2, "reasons": {"a": 2}},
            "file": {"file": TYPED[9], "source": "a"},
            "seal": {"from": 0, "sha256": DIGEST},
            "end": {"status": "failed", "error": {"type": "a"}, "streams": {"a": 1}, "from": 0, "sha256": DIGEST},
        }.items()
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(EVENTS)), ids=[event["event"] for event in EVENTS])
def test_an_event_breaks_the_rules_that_its_schema_names(number: int) -> None:
    """Also the second time, when its shape may be remembered, and whatever was judged before."""
    rules: set[str] = set()
    for event in mutations(EVENTS[number], 300, number):
        expected = broken_by_the_schema("event", event)
        rules |= expected
        for _ in range(2):
            found = {rule for rule, _ in check_event(event, is_known=True, typed=False).broken}
            assert found - {"time.exists"} == expected, event
        newer = {rule for rule, _ in check_event(event, is_known=False, typed=False).broken}
        assert newer - {"time.exists"} == expected - {"event.unknown-members", "event.reserved"}, event
    assert rules, "no mutation breaks a rule"


NOT_IN_A_SCHEMA = {"time.exists", "histogram.edges", "histogram.buckets", "table.cells"}
"""The rules that require a day of the calendar, an order or lengths, which no schema can say, or not alone."""


@pytest.mark.parametrize("type_", [value["_mlv"] for value in TYPED])
def test_a_typed_value_breaks_the_rules_that_its_schema_names(type_: str) -> None:
    value = next(value for value in TYPED if value["_mlv"] == type_)
    rules: set[str] = set()
    for changed in mutations(value, 150, len(type_)):
        if "_mlv" in changed:
            expected = broken_by_the_schema("value", changed)
            rules |= expected
            for _ in range(2):
                found = {rule for rule, _ in check_typed(changed, True)}
                assert found - NOT_IN_A_SCHEMA == expected - NOT_IN_A_SCHEMA and found >= expected, changed
    assert rules, "no mutation breaks a rule"


@pytest.mark.slow
@pytest.mark.parametrize("number", [1, 2])
def test_a_meta_record_breaks_the_rules_that_its_schema_names(number: int) -> None:
    record: dict[str, Any] = {"mlv": "1.0", "created": TIME, "params": {}, "extra": {}, "tags": ["a"], "requires": []}
    record["environment"] = {"command": ["a"], "host": {"cpus": 1, "gpus": []}, "runtime": {"packages": {"a": "b"}}}
    record |= {"name": "a", "kind": "b", "nonce": "0" * 32} if number == 1 else {"experiment": ID, "previous": ID}
    rules: set[str] = set()
    for changed in mutations(record, 500, number):
        expected = broken_by_the_schema("meta" if number == 1 else "meta-addition", changed)
        if not is_known(parse_version(changed.get("mlv"))):
            expected -= {"meta.unknown-members"}
        rules |= expected
        found = {rule for rule, _ in check_meta(changed, number).broken}
        assert {rule for rule in found if not rule.startswith("value.")} == expected, changed
    assert rules, "no mutation breaks a rule"


def test_a_value_that_is_not_an_object_breaks_one_rule() -> None:
    values: list[Any] = [[], "a", 1, None, True]
    for value in values:
        assert [rule for rule, _ in check_event(value, is_known=True, typed=True).broken] == ["event.object"]
        assert [rule for rule, _ in check_meta(value, 1).broken] == ["meta.object"]


def test_a_date_must_exist() -> None:
    for date, exists in {"2024-02-29": True, "2026-02-29": False, "0000-01-01": False, "9999-12-31": True}.items():
        event = EVENTS[0] | {"time": date + TIME[10:]}
        assert [rule for rule, _ in check_event(event, is_known=True, typed=False).broken] == (
            [] if exists else ["time.exists"]
        )
        assert [rule for rule, _ in check_typed({"_mlv": "date", "value": date}, True)] == (
            [] if exists else ["time.exists"]
        )
    external = next(value for value in TYPED if value["_mlv"] == "external") | {"modified": "2026-02-30" + TIME[10:]}
    assert [rule for rule, _ in check_typed(external, True)] == ["time.exists"]
    assert {rule for rule, _ in check_typed(external | {"size": -1}, True)} == {"time.exists", "value.external"}
    data = {"a": [{"_mlv": "date", "value": 5}, {"_mlv": "date", "value": "2026-02-30"}]}
    judged = check_event(EVENTS[0] | {"data": data}, is_known=True, typed=True)
    assert {rule for rule, _ in judged.broken} == {"value.date", "time.exists"}


def test_a_message_names_the_member_and_the_problem() -> None:
    for event in EVENTS:
        messages = [
            broken
            for changed in mutations(event, 60, 7)
            for broken in check_event(changed, is_known=True, typed=True).broken
        ]
        assert messages
        for rule, message in messages:
            assert rule in RULES and 10 < len(message) < 500 and message.isprintable(), (rule, message)


def test_a_message_about_a_line_feed_at_the_end_says_so() -> None:
    file = next(value for value in TYPED if value["_mlv"] == "file")
    [(rule, message)] = check_typed(file | {"sha256": f"{DIGEST}\n"}, True)
    assert rule == "value.file" and message.endswith("not a string without a line feed at its end")
