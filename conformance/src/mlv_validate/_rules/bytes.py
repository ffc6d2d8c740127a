"""The chapter Bytes: the raw bytes of a record, parsed by the strict JSON profile into a value or broken rules."""

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from types import FunctionType
from typing import Any, NoReturn

from mlv_validate._findings import Broken
from mlv_validate._read.lines import MAX_SIZE

MAX_NESTING = 64
MAX_INTEGER = 2**53 - 1

MAX_QUICK = 64 * 1024  # a longer record takes the slow parser, which bounds the cost of a number with many digits

UNSURE, NOT_JSON = object(), object()  # returned by `quick` instead of a value

_BOM = b"\xef\xbb\xbf"
# At a backslash before the end of the record, CPython before 3.11.5 takes the backslash for a part of the string, too:
# no bracket is missed.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
# Read from left to right, every backslash of a valid text begins one of: a pair, a lone surrogate, another escape.
_ESCAPE = re.compile(rb"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(u[dD][89a-fA-F]..)|.)", re.DOTALL)
_LONG = re.compile(rb"[0-9]{16}|[eE][-+]?[0-9]{3}")  # in every number that may be out of range
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


@dataclass(frozen=True, slots=True)
class Parsed:
    """A parsed record; `broken` is empty if it is valid."""

    value: Any
    broken: list[Broken]


class _Syntax(ValueError):
    pass


def parse(raw: bytes, *, line: bool, tried: bool = False) -> Parsed:
    """Check the bytes of a record by the rules of the phases `bytes` and `json`.

    The same bytes break the same rules on every Python, whatever limits and extensions of RFC 8259 its parser has.
    Memory is bounded by a multiple of the size, which is at most `MAX_SIZE`.

    Args:
        raw: The bytes, without the LF of a line.
        line: Whether the record is a line.
        tried: Whether `quick` returned `UNSURE` for these bytes.

    Returns:
        The value, and the broken rules.
    """
    if len(raw) + line > MAX_SIZE:
        return Parsed(None, [too_long(len(raw) + line)])
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        return _refused("json.utf8", f"byte {error.start} is not UTF-8: 0x{raw[error.start]:02x}")
    if raw.startswith(_BOM):
        return _refused("json.bom", "begins with a byte order mark")
    if line and b"\r" in raw:
        return _refused("log.cr", f"byte {raw.index(13)} is a carriage return")
    if line and not raw.strip(b" \t"):
        return _refused("log.blank", "the line is blank")
    if too_deep(raw):
        return _refused("json.depth", f"nested more than {MAX_NESTING} deep")
    if not tried and len(raw) <= MAX_QUICK and not is_odd(raw):
        value = quick(raw)
        if value is not UNSURE and value is not NOT_JSON:
            return Parsed(value, [])
    reader = _Reader(raw)
    try:
        value = reader.decode(text)
    except ValueError as error:
        return _refused("json.syntax", _syntax(error, raw))
    broken = reader.broken
    if _SURROGATE.search(raw):
        lone = next((m[1] for m in _ESCAPE.finditer(raw) if m[1]), None)
        if lone:
            broken.setdefault("json.surrogates", f"\\{lone.decode()} is a surrogate without its other half")
    return Parsed(value, list(broken.items()))


def too_long(size: int) -> Broken:
    """Return the rule that is broken by a record of more than `MAX_SIZE` bytes, for a line with its LF."""
    return "json.size", f"{size} bytes, more than {MAX_SIZE}"


def torn(size: int) -> Broken:
    """Return the rule that is broken by `size` bytes after the last LF of a stream."""
    return "log.torn", f"{size} bytes after the last line feed: not part of the log"


def too_deep(raw: bytes) -> bool:
    """Return whether brackets outside strings are nested too deep, by the scan that the specification defines."""
    if raw.count(b"[") + raw.count(b"{") <= MAX_NESTING:
        return False
    depth = 0
    for part in _outside_strings(raw):
        for bracket in part.translate(None, _NOT_BRACKETS):
            if bracket in b"[{":
                depth += 1
                if depth > MAX_NESTING:
                    return True
            elif depth:
                depth -= 1
    return False


def _outside_strings(raw: bytes) -> Iterator[bytes]:
    """Yield the parts of a record before, between and after its strings, of which there may be millions."""
    end = 0
    for string in _STRING.finditer(raw):
        yield raw[end : string.start()]
        end = string.end()
    yield raw[end:]


class _Constant(Exception):
    """NaN, Infinity or -Infinity, which aren't JSON."""


def _constant(name: str) -> NoReturn:
    raise _Constant


_scan = json.JSONDecoder(parse_constant=_constant).scan_once  # type: ignore[attr-defined]
_EXACT = not isinstance(_scan, FunctionType)  # the pure Python scanner accepts digits that are not ASCII


def quick(raw: bytes) -> Any:
    """Parse a record that isn't odd (`is_odd`) by the standard parser.

    Returns:
        The value, if the record surely breaks no rule of the phases `bytes` and `json`; `NOT_JSON` if the parser finds
        an error; `UNSURE` otherwise.
    """
    if not _EXACT:
        return UNSURE
    try:
        text = raw.decode()
        value, end = _scan(text, 0)
    except (json.JSONDecodeError, StopIteration, _Constant):
        return NOT_JSON
    except (ValueError, RecursionError):
        return UNSURE
    if end != len(text):
        return UNSURE if text[end:].isspace() else NOT_JSON
    # Each name is followed by '":', and strings may begin with it: fewer members are names that occur twice.
    return value if _members([value], raw) == raw.count(b'":') else UNSURE


def is_odd(raw: bytes) -> bool:
    """Return whether an escape, a carriage return or a blank before a colon keeps `quick` from counting names."""
    return b"\\" in raw or b" :" in raw or b"\t:" in raw or b"\r" in raw


def _members(values: list[Any], raw: bytes) -> int:
    """Return the number of members of all objects; -1 if they are nested too deep or a number is out of range."""
    stack: list[Any] = [values]
    count = 0
    for value in stack:
        if type(value) is dict:
            count += len(value)
            value = value.values()
        for inner in value:
            kind = type(inner)
            if kind is float:
                if inner - inner:  # NaN, of an infinite one
                    return -1
            elif kind is int:
                if not -MAX_INTEGER <= inner <= MAX_INTEGER:
                    return -1
            elif kind is dict or kind is list:
                stack.append(inner)
    return -1 if len(stack) > MAX_NESTING and too_deep(raw) else count


class _Reader:
    """The standard parser, with hooks for everything that it accepts and the strict JSON profile doesn't."""

    def __init__(self, raw: bytes) -> None:
        self.broken: dict[str, str] = {}
        are_long = not _EXACT or _LONG.search(raw) is not None
        self._decoder = json.JSONDecoder(
            object_pairs_hook=self._object,
            parse_int=self._integer if are_long else None,
            parse_float=self._float if are_long else None,
            parse_constant=self._constant,
        )

    def decode(self, text: str) -> Any:
        return self._decoder.decode(text)

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) != len(pairs) and "json.unique-names" not in self.broken:
            names = Counter(name for name, _ in pairs)
            twice = next(name for name in names if names[name] > 1)
            self.broken["json.unique-names"] = f"the member {ascii(twice[:80])} occurs more than once in its object"
        return value

    def _integer(self, digits: str) -> int | float:
        if len(digits) <= 16:  # at most 9 999 999 999 999 999, which Python always converts
            value = int(digits)
            if -MAX_INTEGER <= value <= MAX_INTEGER:
                return value
        elif len(digits) == 17 and digits[0] == "-" and abs(value := int(digits)) <= MAX_INTEGER:
            return value
        shown = digits if len(digits) <= 40 else f"{digits[:20]}… ({len(digits)} characters)"
        self.broken.setdefault("json.integers", f"{shown} is beyond ±{MAX_INTEGER}")
        return self._float(digits)

    def _float(self, digits: str) -> float:
        if not digits.isascii():
            raise _Syntax("a number has digits that are not ASCII")
        value = float(digits)
        if math.isinf(value):
            shown = digits if len(digits) <= 40 else f"{digits[:20]}… ({len(digits)} characters)"
            self.broken.setdefault("json.finite", f"{shown} is beyond the range of binary64")
        return value

    def _constant(self, name: str) -> NoReturn:
        raise _Syntax(f"{name} is not JSON")


def _syntax(error: ValueError, raw: bytes) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON: {error.msg.rstrip('.')} at character {error.pos}" if raw else "not JSON: empty"
    return f"not JSON: {error}"


def _refused(rule: str, message: str) -> Parsed:
    return Parsed(None, [(rule, message)])
