"""Filters for rows: ``--where 'lr > 0.001'``, ``--where 'state = completed'``, ``--where 'name ~ bert-*'``."""

from __future__ import annotations

import fnmatch
import json
import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

__all__ = ["Condition", "Incomparable", "as_number", "parts"]

_OPERATORS = ("=", "!=", "<", "<=", ">", ">=", "~")
_LIKE_OPERATOR = re.compile("[=!<>~]+")
_NUMBER = re.compile(r"[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf|infinity|nan)", re.ASCII | re.IGNORECASE)
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
            return any(fnmatch.fnmatchcase(str(item), str(self._value)) for item in items)
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

    def _equals(self, found: Any) -> bool:
        value = self._value
        if str(found) == self.text or str(found) == value:
            return True
        if self.is_text or isinstance(found, bool) or isinstance(value, bool):
            return found is value
        if isinstance(found, datetime):
            return found == _time(self.text)
        one, two = as_number(found), as_number(value)
        if one is None or two is None:
            return bool(found == value)
        return one == two or (one != one and two != two)

    def _ordered(self, found: Any) -> tuple[Any, Any]:
        """Return the value of the column and that of the condition, as two values that can be compared."""
        value = self._value
        if isinstance(found, datetime):
            if time := _time(self.text):
                return found, time
            raise Incomparable(f"{self.text!r} isn't a time. Write one such as 2026-11-28 or 2026-11-28T09:30, in UTC.")
        one, two = as_number(found), as_number(value)
        if self.is_text or (isinstance(found, str) and isinstance(value, str) and two is None):
            return found, value if isinstance(value, str) else self.text
        if two is None:
            raise Incomparable(f"{self.text!r} isn't a number, and has no order with {_short(found)}.")
        if two != two:
            raise Incomparable("NaN is neither larger nor smaller than a number. To find NaN, write = nan.")
        if one is None:
            raise Incomparable(f"{_short(found)} isn't a number, and has no order with {self.text}.")
        return one, two


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else text[:99] + "…"
