"""Values: from Python to the JSON of a record and back (specification 1.0, chapter Values).

What JSON cannot say becomes a typed value. Nothing here knows of files, streams or experiments.
"""

from __future__ import annotations

import base64
import json
import math
import os
import re
import warnings
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime, time, timedelta, timezone
from enum import Enum
from typing import Any

from ._errors import CannotEncode

__all__ = [
    "MAX_RECORD",
    "EventRef",
    "ExperimentRef",
    "External",
    "File",
    "Opaque",
    "Redacted",
    "Unencodable",
    "decode",
    "dumps",
    "encode",
    "plain_mapping",
    "warn_once",
]

#: The most bytes that a record may have, the LF of a line included (`json.size`).
MAX_RECORD = 16 * 1024 * 1024

_MAX_INT = 2**53 - 1  # `json.integers`
_MAX_DEPTH = 64  # `json.depth`
_MAX_NODES = (
    1_000_000  # a value of more nodes cannot fit into MAX_RECORD in practice, and may be exponential in its size
)
_MAX_REPR = 1000
_ESCAPED = re.compile(r"_+mlv")  # used with fullmatch


@dataclass(frozen=True)
class File:
    """A reference to a file of an experiment (`value.file`).

    Args:
        path: Relative to the experiment directory, with forward slashes.
        size: In bytes.
        sha256: The digest of its bytes, 64 lower-case hexadecimal digits.
        media_type: Such as ``image/png``; a guess by the name.
        experiment: The id of the experiment it lies in; None means the one that the reference stands in.
    """

    path: str
    size: int
    sha256: str
    media_type: str | None = None
    experiment: str | None = None


@dataclass(frozen=True)
class External:
    """A statement about a file outside of every experiment (`value.external`): absolute path, host, size in bytes,
    SHA-256, and the time of its last modification (UTC, ``2026-11-20T08:00:00.000000Z``)."""

    path: str
    host: str
    size: int
    sha256: str
    modified: str


@dataclass(frozen=True)
class ExperimentRef:
    """A reference to an experiment by its id; *path* is a hint where it was, relative to the experiment that refers."""

    id: str
    path: str | None = None


@dataclass(frozen=True)
class EventRef:
    """A reference to an event: id of the experiment (None in a bare log), path of the stream, and its seq."""

    experiment: str | None
    stream: str
    seq: int


@dataclass(frozen=True)
class Redacted:
    """In the place of a value that was kept back because it looks like a secret (`value.redacted`)."""


@dataclass(frozen=True)
class Unencodable:
    """In the place of a value that could not be encoded: the name of its type, and a text for people."""

    type: str
    repr: str


@dataclass(frozen=True)
class Opaque:
    """A typed value of a type that this version does not know, as it stood in the record (`reader.opaque`)."""

    json: dict[str, Any]


def dumps(tree: Any) -> str:
    """The JSON text of an encoded tree: ASCII without blanks and line breaks, so that a line stays one."""
    return json.dumps(tree, allow_nan=False, separators=(",", ":"))


def encode(
    value: Any, *, path: str, depth: int, own: str | None = None, lenient: Callable[[str], None] | None = None
) -> Any:
    """The JSON tree of *value*, with typed values for what JSON cannot say and `_mlv` keys escaped.

    Args:
        value: Anything. Exact built-ins round-trip; tuples and sets become arrays, paths and enums become strings,
            dataclasses and argparse namespaces become objects, arrays and tensors become (nested) arrays.
        path: The name of the value, for messages: ``params``.
        depth: How deep in its record it stands, the record counting as 1.
        own: The id of the experiment that the record belongs to; references into it leave the id out.
        lenient: Called with a message for each value that cannot be encoded, which becomes `Unencodable`.
            Without it such a value raises.

    Raises:
        CannotEncode: for the first value without a form in a record, unless *lenient*.
    """
    return _Encoder(own, lenient).encode(value, path, depth)


class _Encoder:
    def __init__(self, own: str | None, lenient: Callable[[str], None] | None) -> None:
        self._own = own
        self._lenient = lenient
        self._nodes = 0
        self._above: set[int] = set()  # ids of the containers around the present value: a cycle shows

    def encode(self, value: Any, path: str, depth: int) -> Any:
        self._nodes += 1
        kind = type(value)
        if kind is str:
            return value if value.isascii() else _string(value)
        if value is None or kind is bool:
            return value
        if kind is int:
            return value if -_MAX_INT <= value <= _MAX_INT else self._int(value, path)
        if kind is float:
            return value if math.isfinite(value) else {"_mlv": "float", "value": str(value)}
        if kind is dict or kind is list or kind is tuple:
            return self._container(value, path, depth)
        return self._other(value, path, depth)

    def _int(self, value: int, path: str) -> Any:
        if value.bit_length() > 13_280:  # about 4000 decimal digits, the most that `value.int` allows
            return self._give_up(value, path, "an integer of more than 4000 digits")
        return {"_mlv": "int", "value": str(value)}

    def _container(self, value: Any, path: str, depth: int) -> Any:
        # A container at the last level gives way to `unencodable`, which is an object itself and just fits there.
        if depth >= _MAX_DEPTH:
            return self._give_up(value, path, f"nested deeper than {_MAX_DEPTH} levels")
        if self._nodes > _MAX_NODES:
            return self._give_up(value, path, f"part of a value of more than {_MAX_NODES} parts")
        if id(value) in self._above:
            return self._give_up(value, path, "a container that contains itself")
        self._above.add(id(value))
        try:
            if isinstance(value, Mapping):
                return self._mapping(value, path, depth)
            return [self.encode(item, f"{path}[{number}]", depth + 1) for number, item in enumerate(value)]
        finally:
            self._above.discard(id(value))

    def _mapping(self, value: Mapping[Any, Any], path: str, depth: int) -> Any:
        tree: dict[str, Any] = {}
        for key in value:
            if not isinstance(key, str):
                return self._give_up(value, path, f"a mapping with the key {_short(key)}, which is no string")
            name = str.__str__(key)
            if not _is_text(name):
                return self._give_up(value, path, f"a mapping with the key {_short(key)}, which has a lone surrogate")
            if _ESCAPED.fullmatch(name):
                name = "_" + name
            if name in tree:
                return self._give_up(value, path, f"a mapping with the key {_short(key)} twice")
            tree[name] = self.encode(value[key], f"{path}.{name}", depth + 1)
        return tree

    def _other(self, value: Any, path: str, depth: int) -> Any:
        try:
            return self._convertible(value, path, depth)
        except CannotEncode:
            raise
        except Exception as error:  # code of the object's own ran: iteration, __fspath__, tolist, …
            return self._give_up(value, path, f"of type {type(value).__qualname__} and raises {type(error).__name__}")

    def _convertible(self, value: Any, path: str, depth: int) -> Any:
        if isinstance(value, (File, External, ExperimentRef, EventRef, Redacted, Unencodable, Opaque)):
            return self._typed(value, depth, path)
        if isinstance(value, Enum):
            # bool before int, and enums before both: an IntEnum is an int, and its value says what was meant.
            return self.encode(value.value if isinstance(value, (str, int)) else value.name, path, depth)
        if isinstance(value, str):
            return self.encode(str.__str__(value), path, depth)
        if isinstance(value, int):
            return self.encode(int(value), path, depth)
        if isinstance(value, float):
            return self.encode(float(value), path, depth)
        if isinstance(value, (datetime, date, time, timedelta)):
            return _time_value(value) or self._give_up(value, path, "a time without a form in RFC 3339")
        if isinstance(value, (bytes, bytearray, memoryview)):
            return {"_mlv": "bytes", "value": base64.b64encode(bytes(value)).decode("ascii")}
        if isinstance(value, os.PathLike):
            return self.encode(os.fsdecode(value), path, depth)
        if isinstance(value, (Mapping, list, tuple, deque, range)):
            return self._container(value, path, depth)
        if isinstance(value, (set, frozenset)):
            # In a fixed order, so that equal sets give equal records.
            return self._container(sorted(value, key=lambda item: (type(item).__name__, repr(item))), path, depth)
        if (members := plain_mapping(value)) is not None:
            return self._container(members, path, depth)
        if hasattr(value, "tolist") and hasattr(value, "shape"):  # NumPy and torch scalars, arrays and tensors
            if math.prod(value.shape) > _MAX_NODES:
                return self._give_up(
                    value, path, f"an array of shape {tuple(value.shape)}, too large for a record: attach it as a file"
                )
            return self.encode(value.tolist(), path, depth)
        return self._give_up(value, path, f"of type {type(value).__qualname__}")

    def _typed(self, value: Any, depth: int, path: str) -> dict[str, Any]:
        if isinstance(value, Opaque):
            return value.json
        if isinstance(value, File):
            tree: dict[str, Any] = {"_mlv": "file", "path": value.path, "size": value.size, "sha256": value.sha256}
            if value.media_type is not None:
                tree["media_type"] = value.media_type
            if value.experiment is not None and value.experiment != self._own:
                tree["experiment"] = value.experiment
            return tree
        if isinstance(value, ExperimentRef):
            hint = {} if value.path is None else {"path": value.path}
            return {"_mlv": "experiment", "id": value.id, **hint}
        kind = {External: "external", EventRef: "event", Redacted: "redacted", Unencodable: "unencodable"}[type(value)]
        return {"_mlv": kind, **{f.name: self.encode(getattr(value, f.name), path, depth) for f in fields(value)}}

    def _give_up(self, value: Any, path: str, what: str) -> dict[str, Any]:
        if self._lenient is None:
            raise CannotEncode(
                f"{path} is {what}, which a record cannot hold: {_short(value)}. "
                "Give a number, a string, a list or a dict of such, or for an object its name or its settings.",
                path,
            )
        self._lenient(f"{path} is {what}; it was recorded as its type and repr only")
        return {"_mlv": "unencodable", "type": _type_name(value), "repr": _ascii(_short(value))}


def plain_mapping(value: Any) -> Mapping[str, Any] | None:
    """The members of a dataclass instance or an argparse namespace (argparse is not imported), or None."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in fields(value)}
    if type(value).__name__ == "Namespace" and type(value).__module__ == "argparse":
        return dict(vars(value))
    return None


def decode(tree: Any) -> Any:
    """The Python value of a JSON tree: typed values become what they mean, escaped keys lose one `_`.

    A typed value of an unknown type, or one of a known type whose form is broken, becomes `Opaque`.
    """
    if type(tree) is list:
        return [decode(item) for item in tree]
    if type(tree) is not dict:
        return tree
    if "_mlv" not in tree:
        return {
            name[1:] if name[0:2] == "__" and _ESCAPED.fullmatch(name) else name: decode(value)
            for name, value in tree.items()
        }
    try:
        value = _DECODERS[tree["_mlv"]](tree)
    except (KeyError, TypeError, ValueError, OverflowError):
        return Opaque(tree)
    return value


def _file(tree: dict[str, Any]) -> File:
    return File(tree["path"], tree["size"], tree["sha256"], tree.get("media_type"), tree.get("experiment"))


def _external(tree: dict[str, Any]) -> External:
    return External(decode(tree["path"]), decode(tree["host"]), tree["size"], tree["sha256"], tree["modified"])


def _surrogates(tree: dict[str, Any]) -> str:
    return bytes.fromhex(tree["value"]).decode("utf-16-be", "surrogatepass")


_DECODERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "float": lambda tree: {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[tree["value"]],
    "int": lambda tree: int(tree["value"]),
    "datetime": lambda tree: _parse_datetime(tree["value"]),
    "datetime-local": lambda tree: _parse_datetime(tree["value"]),
    "date": lambda tree: date.fromisoformat(tree["value"]),
    "time": lambda tree: _parse_time(tree["value"]),
    "duration": lambda tree: _parse_duration(tree["value"]),
    "bytes": lambda tree: base64.b64decode(tree["value"], validate=True),
    "string": _surrogates,
    "file": _file,
    "external": _external,
    "experiment": lambda tree: ExperimentRef(tree["id"], tree.get("path")),
    "event": lambda tree: EventRef(tree["experiment"], tree["stream"], tree["seq"]),
    "redacted": lambda tree: Redacted(),
    "unencodable": lambda tree: Unencodable(tree["type"], tree["repr"]),
}

_CLOCK = re.compile(r"([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?(Z|[+-][0-9]{2}:[0-9]{2})?", re.ASCII)


def _parse_time(text: str) -> time:
    # time.fromisoformat of Python 3.10 knows neither Z nor other than 3 or 6 fraction digits.
    match = _CLOCK.fullmatch(text)
    if match is None:
        raise ValueError(text)
    clock, fraction, zone = match.groups()
    digits = ((fraction or "") + "000000")[:6]  # nanoseconds are cut: Python has none
    return time.fromisoformat(f"{clock}.{digits}{'+00:00' if zone == 'Z' else zone or ''}")


def _parse_datetime(text: str) -> datetime:
    return datetime.combine(date.fromisoformat(text[:10]), _parse_time(text[11:]))


def _parse_duration(text: str) -> timedelta:
    whole, _, fraction = text.lstrip("-").partition(".")
    microseconds = int(whole) * 1_000_000 + int((fraction + "000000")[:6])
    return timedelta(microseconds=-microseconds if text.startswith("-") else microseconds)


def _time_value(value: datetime | date | time | timedelta) -> dict[str, Any] | None:
    if isinstance(value, timedelta):
        microseconds = (value.days * 86_400 + value.seconds) * 1_000_000 + value.microseconds
        whole, fraction = divmod(abs(microseconds), 1_000_000)
        text = f"{'-' if microseconds < 0 else ''}{whole}" + (f".{fraction:06}".rstrip("0") if fraction else "")
        return {"_mlv": "duration", "value": text}
    try:
        if isinstance(value, datetime):
            offset = value.utcoffset()
            kind = "datetime-local" if offset is None else "datetime"
            if offset is not None and offset.total_seconds() % 60:
                value = value.astimezone(timezone.utc)  # RFC 3339 has no seconds in an offset; the instant is the same
            text = value.isoformat()
            _parse_datetime(text)  # a subclass may write something else: pandas' NaT does
        elif isinstance(value, time):
            kind, text = "time", value.isoformat()
            _parse_time(text)
        else:
            kind, text = "date", value.isoformat()
            date.fromisoformat(text)
    except (ValueError, OverflowError, TypeError):
        return None
    return {"_mlv": kind, "value": text}


def _is_text(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _string(text: str) -> Any:
    if _is_text(text):
        return text
    return {"_mlv": "string", "value": text.encode("utf-16-be", "surrogatepass").hex()}


def _ascii(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode("ascii")


def _short(value: Any) -> str:
    """The repr of anything, cut; of an object whose repr fails, that it does."""
    try:
        text = repr(value)
    except Exception as error:
        return f"<{type(value).__qualname__}, whose repr raises {type(error).__name__}>"
    return text if len(text) <= _MAX_REPR else text[:_MAX_REPR] + "…"


def _type_name(value: Any) -> str:
    kind = type(value)
    return _ascii(kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}")


_warned: set[str] = set()


def warn_once(message: str) -> None:
    """Warn, once per message in a process: a loop of a million steps has the same trouble in each."""
    if message not in _warned and len(_warned) < 1000:  # a bound for messages that never repeat
        _warned.add(message)
        warnings.warn(message, RuntimeWarning, stacklevel=4)
