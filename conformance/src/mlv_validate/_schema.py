"""
The schemas, taken apart into one validator for each rule.

References are replaced by what they refer to and branches that cannot apply are left out, once, when the module is
loaded: nothing is resolved while a directory is judged, and nothing is ever fetched.
"""

import json
from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from referencing import Registry

from mlv_validate._predicates import predicate
from mlv_validate._rules import SPEC

Schema = dict[str, Any]

SCHEMAS: dict[str, Schema] = {
    name: json.loads((SPEC / "schemas" / f"{name}.schema.json").read_text("utf-8"))
    for name in ("layout", "meta", "meta-addition", "event", "value", "report")
}
_BY_ID = {schema["$id"]: schema for schema in SCHEMAS.values()}


class Check:
    """What one rule demands of a value."""

    def __init__(self, rule: str, schema: Any) -> None:
        self.rule = rule
        self.holds = predicate(schema)
        """Whether a value keeps the rule."""
        self._validator = Draft202012Validator(schema, registry=Registry())

    def error(self, value: object) -> ValidationError:
        """The first thing that is wrong with a value that does not keep the rule."""
        error: ValidationError = next(self._validator.iter_errors(value))
        return error


def checks(name: str, *, also: tuple[str, ...] = (), member: str | None = None, is_: str | None = None) -> list[Check]:
    """
    The checks of the rules of a schema, and `also` those of further rules.

    With a `member`, only those that can fail for values whose member `member` is the string `is_`; None means a
    string that no schema mentions.
    """
    schema = SCHEMAS[name]
    parts = schema["$defs"]["typed"]["allOf"] if name == "value" else schema["allOf"]
    references = [part["$ref"] for part in parts] + [f"urn:mlv:1.0:meta#/$defs/{rule}" for rule in also]
    named = [(reference.rpartition("/")[2], reference) for reference in references]
    whole = [(rule, _inline({"$ref": reference}, schema["$id"])) for rule, reference in named if "." in rule]
    if member is not None:
        whole = [(rule, _narrow(part, member, is_)) for rule, part in whole]
    return [Check(rule, part) for rule, part in whole if part is not True]


def definition(name: str) -> Schema:
    """A part of the schema of values, such as `utc`."""
    part: Schema = SCHEMAS["value"]["$defs"][name]
    return part


def constants(schema: object, member: str) -> Iterator[str]:
    """The strings that a schema compares the member with, in the form that `checks` knows how to narrow."""
    if isinstance(schema, dict):
        condition = schema.get("if")
        if isinstance(condition, dict) and condition.keys() == {"properties", "required"}:
            constant = condition["properties"].get(member, {}).get("const")
            if isinstance(constant, str):
                yield constant
        for part in schema.values():
            yield from constants(part, member)
    elif isinstance(schema, list):
        for part in schema:
            yield from constants(part, member)


def _inline(schema: Any, base: str) -> Any:
    """The schema with its references replaced; `tree`, which refers to itself, is beyond this and not asked for."""
    if isinstance(schema, list):
        return [_inline(part, base) for part in schema]
    if not isinstance(schema, dict):
        return schema
    result = {name: _inline(part, base) for name, part in schema.items() if name != "$ref"}
    if "$ref" not in schema:
        return result
    document, _, pointer = schema["$ref"].partition("#")
    target: Any = _BY_ID[document or base]
    for step in pointer.split("/")[1:]:
        target = target[step]
    inner = _inline(target, document or base)
    return {**result, "allOf": [*result.get("allOf", []), inner]} if result else inner


def _narrow(schema: Any, member: str, is_: str | None) -> Any:
    """
    A schema that says the same about every object whose `member` is `is_`, without the branches for other values.

    Only at the top and in `allOf`: there the object is the same. True means a schema that holds for all of them.
    """
    if not isinstance(schema, dict):
        return schema
    condition = {"properties": {member: {"const": None}}, "required": [member]}
    if schema.keys() == {"if", "then"}:
        given = schema["if"]
        constant = given.get("properties", {}).get(member, {}).get("const")
        condition["properties"][member]["const"] = constant  # type: ignore[index]
        if isinstance(constant, str) and given == condition:
            return schema["then"] if constant == is_ else True
    if "allOf" in schema:
        parts = [part for part in (_narrow(part, member, is_) for part in schema["allOf"]) if part is not True]
        rest = {name: part for name, part in schema.items() if name != "allOf"}
        if not parts:
            return rest or True
        return {**rest, "allOf": parts}
    return schema
