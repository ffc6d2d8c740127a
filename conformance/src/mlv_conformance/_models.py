"""Models: the values of an experiment in a form that every language can represent (`conformance/DRIVER.md`).

Records are read only after `mlv_validate` has found them valid, so nothing is checked again.
"""

import base64
import json
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

Model = Any

_ESCAPED = re.compile(r"__+mlv")
_FRACTION = re.compile(r"\.(\d{1,6})\d*")
_MAX_SAFE_INTEGER = 2**53 - 1


def read_line(line: bytes) -> Any:
    """Return the JSON value of a valid record, with numbers as the strings that are in the record."""
    return json.loads(line, parse_int=_Number, parse_float=_Number)


class _Number(str):
    """A number as it is written in a record."""


def integer(value: Any) -> int:
    """Return an integer member of a record, however it is written."""
    return int(float(value))


def model(value: Any) -> Model:
    """Return the model of a JSON value that `read_line` returned."""
    if isinstance(value, _Number):
        return {"number": str(value)}
    if isinstance(value, list):
        return [model(part) for part in value]
    if not isinstance(value, dict):
        return value
    if "_mlv" in value:
        members = {name: part for name, part in value.items() if name != "_mlv"}
        decode = _DECODERS.get(value["_mlv"])
        return decode(members) if decode else {"opaque": _plain(value)}
    return {"object": {_unescaped(name): model(part) for name, part in value.items()}}


def _unescaped(name: str) -> str:
    return name[1:] if _ESCAPED.fullmatch(name) else name


def _plain(value: Any) -> Any:
    """Return a JSON value with its numbers as Python numbers."""
    if isinstance(value, _Number):
        return json.loads(value)
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return value


def _value_decoder(kind: str) -> Callable[[dict[str, Any]], Model]:
    return lambda members: {kind: members["value"]}


def _members_decoder(kind: str) -> Callable[[dict[str, Any]], Model]:
    def decode(members: dict[str, Any]) -> Model:
        return {kind: {name: model(part) if isinstance(part, dict) else _plain(part) for name, part in members.items()}}

    return decode


def _decode_int(members: dict[str, Any]) -> Model:
    digits = members["value"]
    return {"int" if len(digits) > 17 or abs(int(digits)) > _MAX_SAFE_INTEGER else "number": digits}


_WITH_MEMBERS = ("file", "external", "experiment", "event", "histogram", "unencodable", "redacted")
_DECODERS: dict[str, Callable[[dict[str, Any]], Model]] = {
    **{kind: _value_decoder(kind) for kind in ("float", "datetime", "datetime-local", "date", "time", "duration")},
    **{kind: _members_decoder(kind) for kind in _WITH_MEMBERS},
    "int": _decode_int,
    "table": lambda members: {"table": {"columns": members["columns"], "rows": model(members["rows"])}},
    "bytes": lambda members: {"bytes": base64.b64decode(members["value"]).hex()},
    "string": lambda members: _decode_string(members["value"]),
}


def _decode_string(digits: str) -> Model:
    """Return the string of a typed value `string`, or its own model if the string has lone surrogates."""
    text = bytes.fromhex(digits).decode("utf-16-be", "surrogatepass")
    return {"string": digits} if any(0xD800 <= ord(char) <= 0xDFFF for char in text) else text


def equal(one: Model, other: Model) -> bool:
    """Return whether two models represent the same value."""
    same: bool = _normal(one) == _normal(other)
    return same


def _normal(value: Model) -> Any:
    """Return a form that is equal for models of the same value; a malformed model equals only itself.

    An object that isn't a model may have models in it.
    """
    if isinstance(value, list):
        return [_normal(part) for part in value]
    if isinstance(value, dict) and len(value) != 1:
        return {name: _normal(part) for name, part in value.items()}
    if not isinstance(value, dict):
        return value
    [(kind, inner)] = value.items()
    try:
        match kind:
            case "object":
                return kind, {name: _normal(part) for name, part in inner.items()}
            case "number":
                return kind, struct.pack(">d", float(inner))
            case "datetime" | "datetime-local" | "time":
                return kind, _FRACTION.sub(_short, inner.replace("Z", "+00:00"))
            case "duration":
                whole, _, fraction = inner.partition(".")
                return kind, whole, fraction[:6].rstrip("0")
            case "table":
                return kind, {**inner, "rows": _normal(inner["rows"])}
            case "opaque":
                return kind, _exact(inner)
            case _ if kind not in _DECODERS:
                return {kind: _normal(inner)}
    except (AttributeError, KeyError, ValueError, TypeError):
        pass
    return kind, inner


def _short(match: re.Match[str]) -> str:
    digits = match[1].rstrip("0")
    return f".{digits}" if digits else ""


def _exact(value: Any) -> Any:
    """Return a form of a JSON value in which true differs from 1, and 1.0 doesn't."""
    if isinstance(value, dict):
        return {name: _exact(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_exact(part) for part in value]
    return (type(value).__name__, value) if isinstance(value, bool) else value


def events(path: Path) -> list[dict[str, Any]]:
    """Return the events of a valid stream; lines that the suite damaged are left out."""
    lines = path.read_bytes().split(b"\n")[:-1]
    found = []
    for line in lines:
        try:
            event = read_line(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            found.append(event)
    return found
