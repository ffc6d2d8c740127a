"""Choosing rows: ``--where 'lr > 0.001'``, ``--where 'state = completed'``, ``--where 'name ~ bert-*'``."""

from __future__ import annotations

import fnmatch
import json
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Condition"]

_FORM = re.compile(r"\s*(?P<column>.+?)\s*(?P<operator>!=|<=|>=|=|<|>|~)\s*(?P<value>.*?)\s*", re.DOTALL)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True)
class Condition:
    """A column, how it is compared, and with what: ``COLUMN = VALUE``, also ``!= < <= > >=``, and ``~`` for a pattern.

    The value is a JSON value where it looks like one, and a string otherwise.
    """

    column: str
    operator: str
    value: Any

    @classmethod
    def of(cls, text: str) -> Condition:
        """Parse a condition. Raises ValueError, which describes the syntax."""
        match = _FORM.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} isn't a condition: write COLUMN = VALUE, with = != < <= > >= or ~ (a pattern)")
        try:
            value = json.loads(match["value"])
        except ValueError:
            value = match["value"]
        return cls(match["column"], match["operator"], value)

    def holds(self, row: Mapping[str, Any]) -> bool:
        """Does it hold for a row? Not where the row has no such column, or no value in it that could be compared."""
        if (found := row.get(self.column)) is None and self.operator != "!=":
            return self.operator == "=" and self.value is None and self.column in row
        if self.operator == "~":
            items = found if isinstance(found, list) else [found]
            return any(fnmatch.fnmatchcase(str(item), str(self.value)) for item in items)
        if self.operator in ("=", "!="):
            same = found == self.value or str(found) == str(self.value)
            if isinstance(found, list):
                same = same or self.value in found
            return same == (self.operator == "=")
        try:
            return _COMPARE[self.operator](found, self.value)
        except TypeError:
            return False
