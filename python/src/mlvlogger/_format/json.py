"""JSON as a record has it (specification 1.0, chapter Bytes): its limits, and the text of a tree.

`_format.parse` is the way back.
"""

from __future__ import annotations

from math import isfinite

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["MAX_DEPTH", "MAX_INT", "MAX_RECORD", "dumps", "integer", "is_json", "is_text"]

MAX_RECORD = 16 * 1024 * 1024
"""The most bytes that a meta record or a line may have, the line feed included (`json.size`): 16 MiB.

A longer line isn't an event.
"""

#: The largest integer that a record may have as a number; the least is its negative (`json.integers`).
MAX_INT = 2**53 - 1

#: The most levels that arrays and objects of a record may be nested (`json.depth`).
MAX_DEPTH = 64


def _no_json(value: Any) -> Any:
    raise TypeError(f"a {type(value).__name__} is not JSON")


try:
    # What `json` itself encodes with. Importing `json` takes longer than importing all that an event needs.
    from _json import encode_basestring_ascii, make_encoder

    _pieces = make_encoder(None, _no_json, encode_basestring_ascii, None, ":", ",", False, False, False)
except ImportError:
    import json

    _pieces = json.JSONEncoder(separators=(",", ":"), allow_nan=False, default=_no_json).iterencode  # type: ignore[assignment]


def dumps(tree: Any) -> str:
    """The JSON text of an encoded tree: ASCII without blanks and line breaks, so that a line stays one."""
    return "".join(_pieces(tree, 0))


def integer(value: Any) -> int | None:
    """Return the integer that a JSON number is in any spelling (`13.0` is 13), or None. True isn't a JSON number."""
    if type(value) is int:
        return value
    return int(value) if type(value) is float and value.is_integer() else None


def is_json(tree: Any, levels: int = MAX_DEPTH) -> bool:
    """Is it JSON that a record may hold, of at most *levels* levels?"""
    # Of exact types: a subclass may show a serializer something else than us.
    if type(tree) is list:
        return levels > 0 and all(is_json(item, levels - 1) for item in tree)
    if type(tree) is dict:
        return levels > 0 and all(
            type(name) is str and is_text(name) and is_json(item, levels - 1) for name, item in tree.items()
        )
    if type(tree) is str:
        return is_text(tree)
    if type(tree) is float:
        return isfinite(tree)
    return tree is None or type(tree) is bool or (type(tree) is int and -MAX_INT <= tree <= MAX_INT)


def is_text(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
