"""Decoding: from the JSON of a record to Python values (specification 1.0, chapter Values)."""

from __future__ import annotations

from math import inf, nan

from .forms import checked, date_of, datetime_of, duration_of, integer_of, matched, time_of
from .json import MAX_INT, integer, is_text
from .references import EventRef, ExperimentRef, External, File, Opaque, Redacted, Unencodable, is_file_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .histogram import Histogram
    from .table import Table

_LABEL = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")

__all__ = ["decode", "decode_members", "is_escaped", "is_type"]


def decode(tree: Any) -> Any:
    """Return the Python value of a JSON tree: typed values are decoded, and escaped keys lose one `_`.

    A typed value of an unknown type, or one of a known type that doesn't have its form, becomes `Opaque`.
    """
    if type(tree) is list:
        return [decode(item) for item in tree]
    if type(tree) is not dict:
        return tree
    if "_mlv" not in tree:
        return decode_members(tree)
    try:
        return _DECODERS[tree["_mlv"]](tree)
    except (KeyError, TypeError, ValueError, OverflowError):
        return Opaque(tree)


def decode_members(tree: dict[str, Any]) -> dict[str, Any]:
    """Decode the members of an object that isn't a typed value: `params`, `extra` or `data`."""
    return {
        name[1:] if name.startswith("__") and is_escaped(name) else name: decode(value) for name, value in tree.items()
    }


def is_escaped(name: str) -> bool:
    """Return whether *name* is the name of a member from which a reader removes one `_` (`reader.unescape`)."""
    return name.startswith("__") and name.lstrip("_") == "mlv"


def _whole(value: Any, least: int) -> int:
    number = integer(value)
    if number is None or not least <= number <= MAX_INT:
        raise ValueError(value)
    return number


def _text(value: Any) -> str:
    if type(value) is not str or not is_text(value):
        raise ValueError(value)
    return value


def _text_or_string(value: Any) -> str:
    value = decode(value)
    if type(value) is not str:
        raise ValueError(value)
    return value


def _file(tree: dict[str, Any]) -> File:
    path = _text(tree["path"])
    if not is_file_path(path):
        raise ValueError(path)
    media_type = _text(tree["media_type"]) if "media_type" in tree else None
    experiment = checked("id", tree["experiment"]) if "experiment" in tree else None
    return File(path, _whole(tree["size"], 0), checked("digest", tree["sha256"]), media_type, experiment)


def _external(tree: dict[str, Any]) -> External:
    path, host = _text_or_string(tree["path"]), _text_or_string(tree["host"])
    return External(
        path, host, _whole(tree["size"], 0), checked("digest", tree["sha256"]), checked("utc", tree["modified"])
    )


def _experiment(tree: dict[str, Any]) -> ExperimentRef:
    return ExperimentRef(checked("id", tree["id"]), _text(tree["path"]) if "path" in tree else None)


def _event(tree: dict[str, Any]) -> EventRef:
    experiment, stream = tree["experiment"], _text(tree["stream"])
    if not stream:
        raise ValueError(stream)
    return EventRef(None if experiment is None else checked("id", experiment), stream, _whole(tree["seq"], 1))


def _histogram(tree: dict[str, Any]) -> Histogram:
    from .histogram import Histogram

    members = {name: decode(value) for name, value in tree.items() if name != "_mlv"}
    for name in ("edges", "counts"):
        if type(tree[name]) is not list:
            raise ValueError(name)
    return Histogram(**members)


def _table(tree: dict[str, Any]) -> Table:
    from .table import Table

    columns, rows = tree["columns"], tree["rows"]
    if type(columns) is not list or type(rows) is not list or not all(type(row) is list for row in rows):
        raise ValueError(tree)
    return Table(columns, decode(rows))


_DECODERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "float": lambda tree: {"nan": nan, "inf": inf, "-inf": -inf}[tree["value"]],
    "int": lambda tree: integer_of(checked("int", tree["value"])),
    "datetime": lambda tree: datetime_of(matched("datetime", tree["value"])),
    "datetime-local": lambda tree: datetime_of(matched("datetime-local", tree["value"])),
    "date": lambda tree: date_of(checked("date", tree["value"])),
    "time": lambda tree: time_of(*matched("time", tree["value"]).groups()),
    "duration": lambda tree: duration_of(*matched("duration", tree["value"]).groups()),
    "bytes": lambda tree: _bytes(checked("bytes", tree["value"])),
    "string": lambda tree: bytes.fromhex(checked("string", tree["value"])).decode("utf-16-be", "surrogatepass"),
    "file": _file,
    "external": _external,
    "experiment": _experiment,
    "event": _event,
    "histogram": _histogram,
    "table": _table,
    "redacted": lambda tree: Redacted(),
    "unencodable": lambda tree: Unencodable(_text(tree["type"]), _text(tree["repr"])),
}


def is_type(name: Any) -> bool:
    """Return whether *name* can be the `_mlv` of a typed value in a record of this version (`value.type`)."""
    if type(name) is not str:
        return False
    labels = name.split(".")
    is_foreign = len(labels) > 1 and all(label and _LABEL.issuperset(label) for label in labels)
    return name in _DECODERS or is_foreign


def _bytes(text: str) -> bytes:
    from base64 import b64decode

    return b64decode(text)
