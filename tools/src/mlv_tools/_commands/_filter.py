"""Filters for rows: ``--where 'lr > 0.001'``, ``--where 'state = completed'``, ``--where 'name ~ bert-*'``."""

from __future__ import annotations

import fnmatch
import json
import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from mlv_tools._display.names import identity
from mlv_tools._display.text import value as cell

__all__ = ["Condition", "Incomparable", "as_number", "parts", "sort_key"]

_OPERATORS = ("=", "!=", "<", "<=", ">", ">=", "~")
_LIKE_OPERATOR = re.compile("[=!<>~]+")
_NUMBER = re.compile(r"[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf|infinity|nan)", re.ASCII | re.IGNORECASE)
_DURATION = re.compile(r"(?:(-?\d+) days?, )?(\d+):(\d\d):(\d\d(?:\.\d{1,6})?)", re.ASCII)  # as `str` returns one
# Values with an order that aren't numbers: what each is called, and examples for a message. Only values of one kind
# have an order; a time without a time zone has none with a time in UTC.
_KINDS = {
    "a time": "2026-11-28 or 2026-11-28T09:30, in UTC",
    "a time without a time zone": "2026-11-28 or 2026-11-28T09:30",
    "a time of day": "09:30, in UTC",
    "a time of day without a time zone": "09:30",
    "a date": "2026-11-28",
    "a duration": "90, in seconds, or 0:01:30",
}
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Incomparable(ValueError):
    """A value has no order with the value of a condition."""


class BeyondFloats(ValueError):
    """A number is larger than all floats, or is not zero and would become zero."""


def parts(text: str) -> list[tuple[str, str, str]]:
    """Return the column, the operator and the value that ``COLUMN = VALUE`` may mean, for each operator in it.

    Raises:
        ValueError: If there is no operator with a column before it. The message describes the syntax.
    """
    found = [match for match in _LIKE_OPERATOR.finditer(text) if text[: match.start()].strip()]
    matches = [match for match in found if match[0] in _OPERATORS]
    if found and found[0] not in matches and '"' not in text:
        raise ValueError(f"{found[0][0]!r} isn't an operator. Write one of = != < <= > >= ~ (a pattern).")
    if not matches:
        raise ValueError(
            f"{text!r} isn't a condition. Write COLUMN = VALUE, or another operator: != < <= > >= ~ (a pattern)."
        )
    return [(text[: match.start()].strip(), match[0], text[match.end() :].strip()) for match in matches]


def as_number(value: Any) -> int | float | None:
    """Return a number, or the number that a string spells, or None."""
    if isinstance(value, str):
        try:
            return _number(value.strip())
        except BeyondFloats:
            return None
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def sort_key(item: Any, is_text: bool = False) -> tuple[int, str, Any]:
    """Return a key for values of any type: numbers, also those in strings, then times and durations, lists, text.

    Args:
        item: A value other than NaN.
        is_text: Whether numbers are text.
    """
    number = item if isinstance(item, bool) else None if is_text else as_number(item)
    if number is not None and number == number:
        return 0, "", number
    if kind := _kind(item):
        return 1, kind, item
    if isinstance(item, list) and not is_text:
        return 2, "", tuple(map(sort_key, item))
    return 3, "", _shown(item)


def _number(text: str) -> int | float | None:
    if not _NUMBER.fullmatch(text):
        return None
    try:
        return int(text)
    except ValueError:  # it isn't an integer, or has too many digits
        return _float(text)


def _float(text: str) -> float:
    """Return the float that a number is.

    Raises:
        BeyondFloats: If the float would be infinite or zero, and the number is neither.
    """
    value = float(text)
    if (math.isinf(value) and "inf" not in text.lower()) or (value == 0 and re.match(r"[+-]?[0.]*[1-9]", text)):
        shown = text if len(text) <= 100 else text[:99] + "…"
        raise BeyondFloats(
            f"{shown!r} is beyond all floats, which are between 5e-324 and 1.8e308. Write another number."
        )
    return value


@dataclass(frozen=True)
class Condition:
    """A comparison of a column with a value.

    Attributes:
        operator: One of = != < <= > >=, or ~ for a pattern as in a shell.
        text: The value, as it was given. It is a JSON value if the text is one, otherwise a string. Numbers in strings
            are compared as numbers, and times in UTC.
        is_text: Whether the column has text only, which is compared as text.
    """

    operator: str
    text: str
    is_text: bool = False

    def __post_init__(self) -> None:
        """Check the value.

        Raises:
            BeyondFloats: If the value has a number that no float is close to.
        """
        _ = self._value

    @property
    def is_null(self) -> bool:
        """Whether the condition is about null itself."""
        return self._value is None

    @property
    def is_order(self) -> bool:
        """Whether the condition compares the order of values, which NaN doesn't have."""
        return self.operator in _COMPARE

    def holds(self, found: Any) -> bool:
        """Return whether the condition holds for a value of the column; None is null, which is equal to null only.

        Raises:
            Incomparable: If the value has no order with the value of the condition. The message gives the reason.
        """
        if found is None:
            return (self.operator == "=" and self._value is None) or (self.operator == "!=" and self._value is not None)
        if self.operator == "~":
            items = found if isinstance(found, list) else [found]
            return any(fnmatch.fnmatchcase(_shown(item), _shown(self._value)) for item in items)
        if self.operator in ("=", "!="):
            is_member = isinstance(found, list) and any(map(self._equals, found))
            return (is_member or self._equals(found)) == (self.operator == "=")
        return _COMPARE[self.operator](*self._ordered(found))

    @property
    def _value(self) -> Any:
        number = None if self.is_text else _number(self.text)
        if number is not None:
            return number
        try:
            return json.loads(self.text, parse_float=float if self.is_text else _float)
        except BeyondFloats:
            raise
        except ValueError:
            return self.text

    @property
    def _plain(self) -> str:
        """The value as text, without the quotes of a JSON string."""
        value = self._value
        return value if isinstance(value, str) else self.text

    def _equals(self, found: Any) -> bool:
        value = self._value
        if value is None and not self.is_text:
            return False  # null isn't the string "null"
        if self.text in (str(found), _shown(found)) or value == _shown(found):
            return True
        if self.is_text or isinstance(found, bool) or isinstance(value, bool):
            return found is value
        if _kind(found):
            return bool(found == _like(found, self._plain))
        one, two = as_number(found), as_number(value)
        if one is None or two is None:
            return identity(found) == identity(value)
        return one == two or (one != one and two != two)

    def _ordered(self, found: Any) -> tuple[Any, Any]:
        """Return the value of the column and that of the condition, as two values that can be compared."""
        value = self._value
        if kind := _kind(found):
            if (like := _like(found, self._plain)) is not None:
                return found, like
            raise Incomparable(f"{self.text!r} isn't {kind}. Write one such as {_KINDS[kind]}.")
        one, two = as_number(found), as_number(value)
        if self.is_text or (isinstance(found, str) and isinstance(value, str) and two is None):
            return found, self._plain
        if two is None:
            raise Incomparable(f"{self.text!r} isn't a number, and has no order with {_short(found)}.")
        if two != two:
            raise Incomparable("NaN is neither larger nor smaller than a number. To find NaN, write = nan.")
        if one is None:
            raise Incomparable(f"{_short(found)} isn't a number, and has no order with {self.text}.")
        return one, two


def _kind(value: Any) -> str | None:
    """Return which of `_KINDS` a value is, or None."""
    if isinstance(value, (datetime, time)):
        kind = "a time" if isinstance(value, datetime) else "a time of day"
        return kind if value.tzinfo else f"{kind} without a time zone"
    return "a date" if isinstance(value, date) else "a duration" if isinstance(value, timedelta) else None


def _like(found: Any, text: str) -> Any:
    """Return the value of the kind of *found* that a string spells, or None."""
    try:
        if isinstance(found, timedelta):
            return _duration(text)
        like = type(found).fromisoformat(text)
    except (ValueError, OverflowError):
        return None
    if isinstance(found, (datetime, time)) and not (found.tzinfo and like.tzinfo):
        return like.replace(tzinfo=UTC) if found.tzinfo else None if like.tzinfo else like
    return like


def _duration(text: str) -> timedelta | None:
    """Return the duration in seconds, or one in the form `1 day, 2:03:04.5`.

    Raises:
        ValueError: If the seconds are NaN or beyond all floats.
        OverflowError: If it is too long for Python.
    """
    if match := _DURATION.fullmatch(text):
        days, hours, minutes, seconds = match.groups(default="0")
        return timedelta(days=int(days), hours=int(hours), minutes=int(minutes), seconds=float(seconds))
    number = _number(text)
    return None if number is None else timedelta(seconds=number)


def _shown(value: Any) -> str:
    """Return a value as its cell shows it, but numbers with all digits, and strings as they are."""
    is_exact = isinstance(value, (str, int, float, list, dict)) and not isinstance(value, bool)
    return str(value) if is_exact else cell(value)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else text[:99] + "…"
