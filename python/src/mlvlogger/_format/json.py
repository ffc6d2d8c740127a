"""Writing the JSON of records, and its limits (specification 1.0, chapter Bytes). `_format.parse` reads JSON."""

from __future__ import annotations

from math import isfinite

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["MAX_DEPTH", "MAX_INT", "MAX_RECORD", "dumps", "integer", "is_json", "is_text"]

MAX_RECORD = 16 * 1024 * 1024
"""The maximum size of a metadata record or a line in bytes, with the line feed (`json.size`): 16 MiB.

A longer line isn't an event.
"""

#: The largest integer that may be a number of a record; the smallest is its negative (`json.integers`).
MAX_INT = 2**53 - 1

#: The maximum depth of nested arrays and objects in a record (`json.depth`).
MAX_DEPTH = 64


def _no_json(value: Any) -> Any:
    raise TypeError(f"a {type(value).__name__} is not JSON")


try:
    # The encoder of the module `json`, whose import takes longer than that of all modules that an event needs.
    from _json import encode_basestring_ascii, make_encoder

    _pieces = make_encoder(None, _no_json, encode_basestring_ascii, None, ":", ",", False, False, False)
except ImportError:
    import json

    _pieces = json.JSONEncoder(separators=(",", ":"), allow_nan=False, default=_no_json).iterencode  # type: ignore[assignment]


def dumps(tree: Any) -> str:
    """Return an encoded tree as JSON: ASCII without spaces and line breaks, so that it fits on one line.

    Raises:
        TypeError: If the tree has a value of another type than those of JSON.
        ValueError: If the tree has a float that isn't finite.
    """
    return "".join(_pieces(tree, 0))


def integer(value: Any) -> int | None:
    """Return the integer that a JSON number is equal to (`13.0` is 13), or None. True isn't a JSON number."""
    if type(value) is int:
        return value
    return int(value) if type(value) is float and value.is_integer() else None


def is_json(tree: Any, levels: int = MAX_DEPTH) -> bool:
    """Return whether a record may contain *tree*, with at most *levels* nested arrays and objects."""
    # Only exact types count: a serializer may see other content of a subclass.
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
    """Return whether a record may contain the string: False if it has a lone surrogate."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
