"""Messages about values that break a schema."""

from typing import Any

from jsonschema.exceptions import ValidationError

from mlv_validate._text import show, visible

_WANTED = {
    "meta.object": "an object",
    "version.form": "a version such as '1.0'",
    "meta.name": "a portable name: 1 to 100 of A-Z a-z 0-9 . _ -, beginning with a letter or digit",
    "meta.kind": "a portable name: 1 to 100 of A-Z a-z 0-9 . _ -, beginning with a letter or digit",
    "meta.created": "a UTC time with six digits and Z",
    "meta.nonce": "32 lower-case hexadecimal digits",
    "meta.params": "an object that isn't a typed value",
    "meta.environment": "an object that isn't a typed value",
    "meta.extra": "an object that isn't a typed value",
    "meta.parent": "a typed value 'experiment'",
    "meta.tags": "an array of different, non-empty strings",
    "meta.description": "a string",
    "meta.requires": "an array of different, non-empty strings",
    "requires.names": "a word of ASCII letters, digits and hyphens, or a reverse-DNS name",
    "addition.digests": "'sha256:' and 64 lower-case hexadecimal digits",
    "addition.changes": "an object that isn't a typed value",
    "addition.stream": "the path of a stream other than log.jsonl: 'log/NAME.jsonl' with a portable name",
    "environment.types": "of the type that the specification requires",
    "event.object": "an object",
    "event.seq": "an integer from 1 to 9007199254740991",
    "event.time": "a UTC time with six digits and Z",
    "event.name": "1 to 1024 characters in non-empty segments joined by '/', without control characters",
    "event.span": "'begin' or 'end'",
    "event.reserved": "a name that the specification defines, which is required of names that begin with 'mlv'",
    "event.data": "an object that isn't a typed value",
    "value.type": "a type of the specification or a reverse-DNS name",
    "value.float": "'nan', 'inf' or '-inf'",
    "value.int": "at most 4000 decimal digits without leading zeros",
    "value.datetime": "YYYY-MM-DDThh:mm:ss with Z or an offset",
    "value.datetime-local": "YYYY-MM-DDThh:mm:ss without Z and offset",
    "value.date": "YYYY-MM-DD",
    "value.time": "hh:mm:ss",
    "value.duration": "a decimal number of seconds",
    "value.bytes": "base64 with padding",
    "value.string": "groups of four lower-case hexadecimal digits",
    "file.path": "a relative path of segments joined by '/', none of them '.' or '..'",
    "file.name": "'files/' and portable names",
}

_WHOLE = {
    "span.members": "the event has begin or seconds and isn't the end of a span",
    "span.end-within": "the end of a span has a member within",
    "span.lifecycle": "a lifecycle event has a member span, begin, seconds or within",
}
"""Whole messages, about members that must be missing."""


def message(rule: str, error: ValidationError, root: str) -> str:
    """Return a message about an error.

    Args:
        rule: The broken rule.
        error: The error.
        root: The name of the whole value, such as `$`.
    """
    where = json_path(list(error.absolute_path), root)
    found = error.instance
    given: Any = error.validator_value
    if error.validator == "required" and isinstance(found, dict):
        missing = [show(name) for name in given if name not in found]
        return f"{_name(where)} has no member {', '.join(missing)}"
    if rule.endswith(".unknown-members"):
        return f"{_name(where)} has a member {show(found)}, which the version does not define"
    if rule in _WHOLE:
        return _WHOLE[rule]
    wanted = _WANTED.get(rule) or _from_schema(error)
    return f"{_name(where)} is {show(found)}, not {wanted}"


def json_path(steps: list[Any], root: str) -> str:
    """Return a path into a value, similar to JSONPath: `$.data.items[3]`."""
    for step in steps:
        root += f"[{step}]" if isinstance(step, int) else f".{visible(str(step)[:40])}"
    return root[:200]


def _name(where: str) -> str:
    if where == "$":
        return "the record"
    return where[2:] if where.startswith("$.") and where.count(".") == 1 and "[" not in where else where


def _from_schema(error: ValidationError) -> str:
    """Return what a value must be, for a rule without an entry in `_WANTED`."""
    given: Any = error.validator_value
    match error.validator:
        case "type":
            return f"of type {given}"
        case "minimum":
            return f"at least {given}"
        case "enum":
            return "one of " + ", ".join(map(show, given))
        case "const":
            return show(given)
        case "minLength":
            return "a non-empty string"
        case "pattern" if "64" in str(given):
            return "a digest of 64 lower-case hexadecimal digits"
        case "not" if given == {"pattern": r"\n$"}:
            return "a string without a line feed at its end"
    return "of the form that the specification requires"
