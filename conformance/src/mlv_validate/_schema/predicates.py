"""Schemas as functions that return whether a JSON value is valid, in a hundredth of the time of `jsonschema`.

A predicate only decides; `jsonschema` makes the message. Only the keywords in the schemas of the specification are
supported, and `tests/test_schema.py` compares predicates with `jsonschema`. As in JSON Schema, a predicate that is made
from a keyword for objects returns true for a value that isn't an object, and so on.
"""

import re
from collections.abc import Callable
from typing import Any

__all__ = ["Predicate", "predicate"]

Predicate = Callable[[Any], bool]

_ANNOTATIONS = {"$schema", "$id", "$defs", "title", "description"}
_NUMBERS = (int, float)  # of exactly these types: a boolean isn't a number


def predicate(schema: Any) -> Predicate:
    """Return a function that returns whether a value, as parsed by `json`, is valid by a schema.

    Args:
        schema: The schema, without references.

    Raises:
        NotImplementedError: If the schema has a keyword that isn't supported.
    """
    if schema is True:
        return lambda value: True
    if schema is False:
        return lambda value: False
    schema = {name: part for name, part in schema.items() if name not in _ANNOTATIONS}
    parts: list[Predicate] = []
    for keywords, predicates_of in _BY_KEYWORDS:
        given = {name: schema.pop(name) for name in keywords if name in schema}
        if given:
            parts += predicates_of(given)
    if schema:
        raise NotImplementedError(f"schemas with {', '.join(schema)} are not supported")
    return _conjunction(parts)


def _conjunction(parts: list[Predicate]) -> Predicate:
    """Return the predicate that is true if all parts are."""
    # Lists, here and below: for so few parts, a generator expression costs more than the calls that it may save.
    if len(parts) == 1:
        return parts[0]
    if len(parts) == 2:
        first, second = parts
        return lambda value: first(value) and second(value)
    return lambda value: all([part(value) for part in parts])


_TYPES: dict[str, Predicate] = {
    "object": lambda value: type(value) is dict,
    "array": lambda value: type(value) is list,
    "string": lambda value: type(value) is str,
    "number": lambda value: type(value) in _NUMBERS,
    "integer": lambda value: type(value) is int or type(value) is float and value.is_integer(),
    "boolean": lambda value: type(value) is bool,
    "null": lambda value: value is None,
}


def _type(given: dict[str, Any]) -> list[Predicate]:
    names = [given["type"]] if isinstance(given["type"], str) else given["type"]
    if len(names) == 1:
        return [_TYPES[names[0]]]
    types = [_TYPES[name] for name in names]
    return [lambda value: any([is_type(value) for is_type in types])]


def _constants(given: dict[str, Any]) -> list[Predicate]:
    values = given.get("enum", [given.get("const")])
    if not all(isinstance(value, str) for value in values):
        raise NotImplementedError("only strings can be compared")
    allowed = frozenset(values)
    return [lambda value: type(value) is str and value in allowed]


def _string(given: dict[str, Any]) -> list[Predicate]:
    least, most = given.get("minLength", 0), given.get("maxLength", 2**63)
    parts: list[Predicate] = []
    if "pattern" in given:
        search = re.compile(given["pattern"]).search
        parts.append(lambda value: type(value) is not str or search(value) is not None)
    if len(given) > len(parts):
        parts.append(lambda value: type(value) is not str or least <= len(value) <= most)
    return parts


def _number(given: dict[str, Any]) -> list[Predicate]:
    least, most = given.get("minimum", float("-inf")), given.get("maximum", float("inf"))
    return [lambda value: type(value) not in _NUMBERS or least <= value <= most]


def _array(given: dict[str, Any]) -> list[Predicate]:
    """Return the predicate of the keywords for arrays."""
    is_item, is_contained = (predicate(given[name]) if name in given else None for name in ("items", "contains"))
    must_differ, least = given.get("uniqueItems", False), given.get("minItems", 0)

    def is_valid(value: Any) -> bool:
        if type(value) is not list:
            return True
        if len(value) < least:
            return False
        if is_item and not all([is_item(item) for item in value]):
            return False
        if is_contained and not any([is_contained(item) for item in value]):
            return False
        return not must_differ or len({_key(item) for item in value}) == len(value)

    return [is_valid]


def _key(value: Any) -> Any:
    """Return a key that is equal for equal JSON values: 1 equals 1.0, true doesn't equal 1."""
    if isinstance(value, dict):
        return "object", frozenset((name, _key(part)) for name, part in value.items())
    if isinstance(value, list):
        return "array", tuple(map(_key, value))
    return (type(value), value) if isinstance(value, bool) else value


def _object(given: dict[str, Any]) -> list[Predicate]:
    """Return the predicate of the keywords for objects."""
    required = given.get("required", [])
    members = [(name, predicate(part)) for name, part in given.get("properties", {}).items()]
    known = frozenset(name for name, _ in members)
    names, others = given.get("propertyNames", True), given.get("additionalProperties", True)
    allowed = frozenset(names["enum"]) if isinstance(names, dict) and names.keys() == {"enum"} else None
    is_name = None if names is True or allowed is not None else predicate(names)
    is_other = None if others is True else predicate(others)

    def is_valid(value: Any) -> bool:
        if type(value) is not dict:
            return True
        for name in required:
            if name not in value:
                return False
        for name, is_member in members:
            if name in value and not is_member(value[name]):
                return False
        if allowed is not None and not value.keys() <= allowed:
            return False
        if is_name and not all([is_name(name) for name in value]):
            return False
        return not is_other or all([is_other(part) for name, part in value.items() if name not in known])

    return [is_valid]


def _logic(given: dict[str, Any]) -> list[Predicate]:
    parts = [predicate(part) for part in given.get("allOf", [])]
    if "anyOf" in given:
        choices = [predicate(part) for part in given["anyOf"]]
        parts.append(lambda value: any([choice(value) for choice in choices]))
    if "not" in given:
        is_excluded = predicate(given["not"])
        parts.append(lambda value: not is_excluded(value))
    return parts


def _condition(given: dict[str, Any]) -> list[Predicate]:
    applies, then, otherwise = (predicate(given.get(name, True)) for name in ("if", "then", "else"))
    return [lambda value: then(value) if applies(value) else otherwise(value)]


_BY_KEYWORDS: list[tuple[tuple[str, ...], Callable[[dict[str, Any]], list[Predicate]]]] = [
    (("type",), _type),
    (("const", "enum"), _constants),
    (("pattern", "minLength", "maxLength"), _string),
    (("minimum", "maximum"), _number),
    (("items", "contains", "uniqueItems", "minItems"), _array),
    (("required", "properties", "propertyNames", "additionalProperties"), _object),
    (("allOf", "anyOf", "not"), _logic),
    (("if", "then", "else"), _condition),
]
