"""The strict parser of records (specification 1.0, chapter Bytes): `json.loads` accepts more than JSON.

This module imports `json`; programs that only log don't load it.
"""

from __future__ import annotations

import json
import math

from .json import MAX_DEPTH, MAX_INT, is_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["parse_line", "parse_record"]


def parse_line(line: bytes) -> Any:
    """Return the tree of a line, which is given without its line feed.

    Raises:
        ValueError: If the line isn't JSON that a record may have.
        RecursionError: If the line is nested too deep for this Python.
    """
    if b"\r" in line:
        raise ValueError("it has a carriage return")
    tree = _line_decoder.decode(line.decode("utf-8"))
    # The limit of the depth doesn't depend on this Python. Counting brackets is fast, and rarely finds too many.
    # Only an escape can give a lone surrogate.
    if (line.count(b"[") + line.count(b"{") > MAX_DEPTH or b"\\u" in line) and not is_json(tree):
        raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels, or has a lone surrogate")
    return tree


def parse_record(data: bytes, *, unique_names: bool = True) -> dict[str, Any]:
    """Return the tree of a metadata record.

    Args:
        data: The bytes of the record.
        unique_names: Whether to refuse an object in which a name occurs twice. Otherwise, the last one counts.

    Raises:
        ValueError: If the bytes aren't a JSON object that a record may be.
    """
    try:
        decoder = _unique_decoder if unique_names else _record_decoder
        record = decoder.decode(data.decode("utf-8"))
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if not isinstance(record, dict):
        raise ValueError("it isn't a JSON object")
    # Without an escape, no string has a lone surrogate, so only numbers and depth are checked.
    if not (
        is_json(record)
        if b"\\" in data
        else all([type(part) is str or is_json(part, MAX_DEPTH - 1) for part in record.values()])
    ):
        raise ValueError("it is nested too deep, or has numbers or strings that a record cannot have")
    return record


def _refuse(token: str) -> Any:
    raise ValueError(f"{token} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text} isn't a finite number")
    return value


def _integer(text: str) -> int:
    value = int(text)
    if not -MAX_INT <= value <= MAX_INT:
        raise ValueError("an integer is beyond those that a record can have")
    return value


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(members)
    if len(tree) != len(members):
        raise ValueError("a name occurs twice")
    return tree


_line_decoder = json.JSONDecoder(
    parse_constant=_refuse, parse_float=_finite, parse_int=_integer, object_pairs_hook=_object
)
_record_decoder = json.JSONDecoder(parse_constant=_refuse)
_unique_decoder = json.JSONDecoder(parse_constant=_refuse, object_pairs_hook=_object)
