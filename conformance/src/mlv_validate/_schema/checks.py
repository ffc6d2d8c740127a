"""The schemas of the specification, split into one check for each rule.

When the module is loaded, references are resolved and branches that can't apply are removed. Nothing is resolved during
validation, and nothing is ever fetched.
"""

import json
from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from referencing import Registry

from mlv_validate._requirements import SPEC
from mlv_validate._schema.predicates import predicate

Schema = dict[str, Any]

SCHEMAS: dict[str, Schema] = {
    name: json.loads((SPEC / "schemas" / f"{name}.schema.json").read_text("utf-8"))
    for name in ("layout", "meta", "meta-addition", "event", "value", "report")
}
_BY_ID = {schema["$id"]: schema for schema in SCHEMAS.values()}


class Check:
    """The requirement of one rule for a value."""

    def __init__(self, rule: str, schema: Any) -> None:
        self.rule = rule
        self.holds = predicate(schema)
        """Returns whether a value keeps the rule."""
        self._validator = Draft202012Validator(schema, registry=Registry())

    def error(self, value: object) -> ValidationError:
        """Return the first error of a value that breaks the rule."""
        error: ValidationError = next(self._validator.iter_errors(value))
        return error


def checks(name: str, *, also: tuple[str, ...] = (), member: str | None = None, is_: str | None = None) -> list[Check]:
    """Return the checks of the rules in a schema.

    Args:
        name: The name of the schema.
        also: Rules of the schema `meta` to add.
        member: A member of the values. If given, only checks that can fail for values with `is_` are returned.
        is_: The string that the member is; None for any string that no schema mentions.
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
    """Return a part of the schema of values, such as `utc`."""
    part: Schema = SCHEMAS["value"]["$defs"][name]
    return part


def constants(schema: object, member: str) -> Iterator[str]:
    """Return the strings that a schema compares a member with, in conditions that `_narrow` understands."""
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
    """Return the schema with its references resolved. `tree`, which refers to itself, is never passed."""
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
    """Return an equivalent schema for objects whose `member` is `is_`, without the branches for other values.

    Only branches at the top and in `allOf` are removed: there the object is the same. True is a schema that always
    holds.
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
