"""Values: from Python to the JSON of a record and back (specification 1.0, chapter Values).

What JSON cannot say becomes a typed value. Nothing here knows of files, streams or experiments.
"""

from __future__ import annotations

import base64
import json
import math
import os
import re
import sys
import warnings
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime, time, timedelta, timezone
from enum import Enum
from types import FrameType
from typing import Any

from ._errors import CannotEncode

__all__ = [
    "MAX_INT",
    "MAX_RECORD",
    "EventRef",
    "ExperimentRef",
    "External",
    "File",
    "Opaque",
    "Redacted",
    "Unencodable",
    "decode",
    "decode_members",
    "dumps",
    "encode",
    "integer",
    "is_file_path",
    "is_json",
    "plain_mapping",
    "text_of",
    "warn",
    "warn_once",
]

#: The most bytes that a record may have, the LF of a line included (`json.size`).
MAX_RECORD = 16 * 1024 * 1024

#: The largest integer that a record may have as a number; the least is its negative (`json.integers`).
MAX_INT = 2**53 - 1

_MAX_DEPTH = 64  # `json.depth`
_MAX_PARTS = 1_000_000  # more do not fit into MAX_RECORD in practice; shared parts may be exponentially many
_LARGEST_INT = 10**4000  # `value.int`
_PART = 10**600
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
    encoder = _Encoder(own, lenient)
    try:
        return encoder.encode(value, path, depth)
    except _TooLarge:
        return encoder.give_up(value, path, f"of more than {_MAX_PARTS} parts")


class _TooLarge(Exception):
    """The value has more parts than a record can hold; nothing of it is kept."""


class _Encoder:
    def __init__(self, own: str | None, lenient: Callable[[str], None] | None) -> None:
        self._own = own
        self._lenient = lenient
        self._parts = 0
        self._above: set[int] = set()  # ids of the containers around the present value: a cycle shows

    def encode(self, value: Any, path: str, depth: int) -> Any:
        self._parts += 1
        kind = type(value)
        if kind is str:
            return value if value.isascii() else _string(value)
        if value is None or kind is bool:
            return value
        if kind is int:
            return value if -MAX_INT <= value <= MAX_INT else self._int(value, path)
        if kind is float:
            return value if math.isfinite(value) else {"_mlv": "float", "value": str(value)}
        if kind is dict or kind is list or kind is tuple:
            return self._container(value, path, depth)
        return self._other(value, path, depth)

    def _int(self, value: int, path: str) -> Any:
        if abs(value) >= _LARGEST_INT:
            return self.give_up(value, path, "an integer of more than 4000 digits")
        return {"_mlv": "int", "value": _decimal(value)}

    def _container(self, value: Any, path: str, depth: int) -> Any:
        # A container at the last level gives way to `unencodable`, which is an object itself and just fits there.
        if depth >= _MAX_DEPTH:
            return self.give_up(value, path, f"nested deeper than {_MAX_DEPTH} levels")
        if id(value) in self._above:
            return self.give_up(value, path, "a container that contains itself")
        if len(value) > _MAX_PARTS:
            return self.give_up(value, path, f"a container of more than {_MAX_PARTS} parts")
        if self._parts > _MAX_PARTS:
            raise _TooLarge
        self._above.add(id(value))
        try:
            if isinstance(value, Mapping):
                return self._mapping(value, path, depth)
            return [self.encode(item, f"{path}[{number}]", depth + 1) for number, item in enumerate(value)]
        except (RuntimeError, KeyError):  # a dict that another thread changes
            return self.give_up(value, path, "a container that changes while it is recorded")
        finally:
            self._above.discard(id(value))

    def _mapping(self, value: Mapping[Any, Any], path: str, depth: int) -> Any:
        tree: dict[str, Any] = {}
        for key in value:
            if not isinstance(key, str):
                return self._bad_key(value, path, key, "is no string")
            name = str.__str__(key)
            if not _is_text(name):
                return self._bad_key(value, path, key, "has a lone surrogate")
            if _ESCAPED.fullmatch(name):
                name = "_" + name
            if name in tree:
                return self._bad_key(value, path, key, "is there twice")
            tree[name] = self.encode(value[key], f"{path}.{name}", depth + 1)
        return tree

    def _bad_key(self, value: Any, path: str, key: Any, what: str) -> Any:
        advice = "Make the keys different strings: {str(key): value for key, value in …}."
        return self.give_up(value, path, f"a mapping whose key {_short(key)} {what}", advice)

    def _other(self, value: Any, path: str, depth: int) -> Any:
        try:
            return self._convertible(value, path, depth)
        except (CannotEncode, _TooLarge):
            raise
        except Exception as error:  # code of the object's own ran: iteration, __fspath__, tolist, …
            return self.give_up(value, path, f"of type {type(value).__qualname__} and raises {type(error).__name__}")

    def _convertible(self, value: Any, path: str, depth: int) -> Any:
        if isinstance(value, (File, External, ExperimentRef, EventRef, Redacted, Unencodable)):
            return self._typed(value, path, depth)
        if isinstance(value, Opaque):
            return self._opaque(value, path, depth)
        if isinstance(value, Enum):
            # Before int and str: an IntEnum is an int, and its value says what was meant. Combined flags have no name.
            plain = value.value if isinstance(value, (str, int)) else value.name or str(value)
            return self.encode(plain, path, depth)
        if isinstance(value, str):
            return self.encode(str.__str__(value), path, depth)
        if isinstance(value, int):
            return self.encode(int(value), path, depth)
        if isinstance(value, float):
            return self.encode(float(value), path, depth)
        if isinstance(value, (datetime, date, time, timedelta)):
            return _time_value(value) or self.give_up(value, path, "a time without a form in RFC 3339")
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
            if math.prod(value.shape) > _MAX_PARTS:
                advice = "Attach it as a file: exp.attach(path)."
                return self.give_up(value, path, f"an array of shape {tuple(value.shape)}, too large", advice)
            listed = value.tolist()
            if not hasattr(listed, "tolist"):
                return self.encode(listed, path, depth)
        return self.give_up(value, path, f"of type {type(value).__qualname__}")

    def _typed(self, value: Any, path: str, depth: int) -> Any:
        if isinstance(value, File):
            tree: dict[str, Any] = {"_mlv": "file", "path": value.path, "size": value.size, "sha256": value.sha256}
            if value.media_type is not None:
                tree["media_type"] = value.media_type
            if value.experiment is not None and value.experiment != self._own:
                tree["experiment"] = value.experiment
        elif isinstance(value, ExperimentRef):
            tree = {"_mlv": "experiment", "id": value.id, **({} if value.path is None else {"path": value.path})}
        else:
            kinds = {External: "external", EventRef: "event", Redacted: "redacted", Unencodable: "unencodable"}
            members = {field.name: getattr(value, field.name) for field in fields(value)}
            # Texts of the world outside may have lone surrogates, which become typed values themselves.
            texts = {name: _string(text) if type(text) is str else text for name, text in members.items()}
            tree = {"_mlv": kinds[type(value)], **texts}
        if depth + isinstance(value, External) > _MAX_DEPTH or isinstance(decode(tree), Opaque):
            return self.give_up(value, path, f"a {type(value).__name__} of a wrong form")
        return tree

    def _opaque(self, value: Opaque, path: str, depth: int) -> Any:
        tree = value.json
        if type(tree) is not dict or type(tree.get("_mlv")) is not str or not is_json(tree, _MAX_DEPTH + 1 - depth):
            return self.give_up(value, path, "an Opaque of a wrong form")
        return tree

    def give_up(self, value: Any, path: str, what: str, advice: str = "") -> dict[str, Any]:
        if self._lenient is None:
            advice = advice or (
                "Give a number, a string, a list or a dict of such, or for an object its name or its settings."
            )
            raise CannotEncode(f"{path} is {what}, which a record cannot hold: {_short(value)}. {advice}", path)
        self._lenient(f"{path} is {what}; it was recorded as its type and repr only. {advice}".rstrip())
        return {"_mlv": "unencodable", "type": _type_name(value), "repr": _ascii(_short(value))}


def integer(value: Any) -> int | None:
    """The integer that a JSON number is, however it is spelled (`13.0` is 13), or None. In JSON, true is no number."""
    if type(value) is int:
        return value
    return int(value) if type(value) is float and value.is_integer() else None


def is_json(tree: Any, levels: int = _MAX_DEPTH) -> bool:
    """Is it JSON that a record may hold, of at most *levels* levels?"""
    if isinstance(tree, (dict, list)):
        if levels == 0:
            return False
        if isinstance(tree, list):
            return all(is_json(item, levels - 1) for item in tree)
        return all(type(name) is str and _is_text(name) and is_json(item, levels - 1) for name, item in tree.items())
    if type(tree) is str:
        return _is_text(tree)
    if type(tree) is float:
        return math.isfinite(tree)
    return tree is None or type(tree) is bool or (type(tree) is int and -MAX_INT <= tree <= MAX_INT)


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
        return decode_members(tree)
    try:
        return _DECODERS[tree["_mlv"]](tree)
    except (KeyError, TypeError, ValueError, OverflowError):
        return Opaque(tree)


def decode_members(tree: dict[str, Any]) -> dict[str, Any]:
    """As `decode`, for an object that is no typed value: `params`, `extra`, `data`."""
    return {
        name[1:] if name.startswith("__") and _ESCAPED.fullmatch(name) else name: decode(value)
        for name, value in tree.items()
    }


# The forms of chapter Values, for fullmatch. What these let through still has to exist in the calendar.
_DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = r"([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?"
_ZONE = "(Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
_FORMS = {
    "int": re.compile("0|-?[1-9][0-9]{0,3999}"),
    "datetime": re.compile(f"({_DATE})T{_CLOCK}{_ZONE}"),
    "datetime-local": re.compile(f"({_DATE})T{_CLOCK}()"),
    "date": re.compile(_DATE),
    "time": re.compile(f"{_CLOCK}{_ZONE}?"),
    "duration": re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?"),
    "bytes": re.compile("(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"),
    "string": re.compile("(?:[0-9a-f]{4})*"),
    "digest": re.compile("[0-9a-f]{64}"),
    "id": re.compile("sha256:[0-9a-f]{64}"),
    "utc": re.compile(rf"{_DATE}T[0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}\.[0-9]{{6}}Z"),
}
# What a `file.path` may not have: empty segments, dots, control characters, backslashes, a drive letter.
_NO_PATH = re.compile(r"(?:^|/)\.{0,2}(?:/|\Z)|[\x00-\x1f\x7f-\x9f\\]|^[A-Za-z]:")


def is_file_path(path: str) -> bool:
    """May it be the path of a typed value `file` (`file.path`)? Names below ``files/`` are another question."""
    return len(path) <= 4096 and not _NO_PATH.search(path)


def _match(kind: str, text: Any) -> re.Match[str]:
    match = _FORMS[kind].fullmatch(text)
    if match is None:
        raise ValueError(text)
    return match


def _form(kind: str, text: Any) -> str:
    return _match(kind, text)[0]


def _whole(value: Any, least: int) -> int:
    number = integer(value)
    if number is None or not least <= number <= MAX_INT:
        raise ValueError(value)
    return number


def _text(value: Any) -> str:
    if type(value) is not str or not _is_text(value):
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
    experiment = _form("id", tree["experiment"]) if "experiment" in tree else None
    return File(path, _whole(tree["size"], 0), _form("digest", tree["sha256"]), media_type, experiment)


def _external(tree: dict[str, Any]) -> External:
    path, host = _text_or_string(tree["path"]), _text_or_string(tree["host"])
    return External(
        path, host, _whole(tree["size"], 0), _form("digest", tree["sha256"]), _form("utc", tree["modified"])
    )


def _experiment(tree: dict[str, Any]) -> ExperimentRef:
    return ExperimentRef(_form("id", tree["id"]), _text(tree["path"]) if "path" in tree else None)


def _event(tree: dict[str, Any]) -> EventRef:
    experiment, stream = tree["experiment"], _text(tree["stream"])
    if not stream:
        raise ValueError(stream)
    return EventRef(None if experiment is None else _form("id", experiment), stream, _whole(tree["seq"], 1))


_DECODERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "float": lambda tree: {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[tree["value"]],
    "int": lambda tree: _from_decimal(_form("int", tree["value"])),
    "datetime": lambda tree: _datetime(_match("datetime", tree["value"])),
    "datetime-local": lambda tree: _datetime(_match("datetime-local", tree["value"])),
    "date": lambda tree: date.fromisoformat(_form("date", tree["value"])),
    "time": lambda tree: _clock(*_match("time", tree["value"]).groups()),
    "duration": lambda tree: _duration(*_match("duration", tree["value"]).groups()),
    "bytes": lambda tree: base64.b64decode(_form("bytes", tree["value"])),
    "string": lambda tree: bytes.fromhex(_form("string", tree["value"])).decode("utf-16-be", "surrogatepass"),
    "file": _file,
    "external": _external,
    "experiment": _experiment,
    "event": _event,
    "redacted": lambda tree: Redacted(),
    "unencodable": lambda tree: Unencodable(_text(tree["type"]), _text(tree["repr"])),
}


def _clock(clock: str, fraction: str | None, zone: str | None) -> time:
    # time.fromisoformat of Python 3.10 knows neither Z nor other than 3 or 6 fraction digits.
    digits = ((fraction or "") + "000000")[:6]  # nanoseconds are cut: Python has none
    return time.fromisoformat(f"{clock}.{digits}{'+00:00' if zone == 'Z' else zone or ''}")


def _datetime(match: re.Match[str]) -> datetime:
    return datetime.combine(date.fromisoformat(match[1]), _clock(*match.groups()[1:]))


def _duration(sign: str, whole: str, fraction: str | None) -> timedelta:
    microseconds = _from_decimal(whole) * 1_000_000 + int(((fraction or "") + "000000")[:6])
    return timedelta(microseconds=-microseconds if sign else microseconds)


def _decimal(value: int) -> str:
    # In parts, since Python limits str() of an integer, to as few as 640 digits where a program asked for that.
    parts, rest = [], abs(value)
    while rest >= _PART:
        rest, part = divmod(rest, _PART)
        parts.append(f"{part:0600}")
    parts.append(str(rest))
    return ("-" if value < 0 else "") + "".join(reversed(parts))


def _from_decimal(text: str) -> int:
    value, digits = 0, text.lstrip("-")
    for start in range(0, len(digits), 600):
        part = digits[start : start + 600]
        value = value * 10 ** len(part) + int(part)
    return -value if text.startswith("-") else value


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
            _datetime(_match(kind, text))  # a subclass may write something else: pandas' NaT does
        elif isinstance(value, time):
            kind, text = "time", value.isoformat()
            _match("time", text)
        else:
            kind, text = "date", value.isoformat()
            date.fromisoformat(_form("date", text))
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
        if isinstance(value, (dict, list, tuple, set, frozenset, deque, int)):
            import reprlib  # a container's own repr may be exponentially long, and that of an integer fail

            text = reprlib.repr(value)
        else:
            text = repr(value)
    except Exception as error:
        return f"<{type(value).__qualname__}, whose repr raises {type(error).__name__}>"
    return text if len(text) <= _MAX_REPR else text[:_MAX_REPR] + "…"


def _type_name(value: Any) -> str:
    kind = type(value)
    return _ascii(kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}")


def text_of(error: BaseException) -> str:
    """The message of an exception, valid UTF-8, whatever its `__str__` does."""
    try:
        text = str(error)
    except Exception as other:
        return f"<its message cannot be had: {type(other).__name__}>"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def warn(message: str) -> None:
    """Warn, pointing at the line of the user's that called us."""
    level = 2
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__package__") == __package__:
        frame = frame.f_back
        level += 1
    warnings.warn(message, RuntimeWarning, stacklevel=level)


_warned: set[str] = set()


def warn_once(message: str) -> None:
    """Warn, once per message in a process: a loop of a million steps has the same trouble in each."""
    if message not in _warned and len(_warned) < 1000:  # a bound for messages that never repeat
        _warned.add(message)
        warn(message)
