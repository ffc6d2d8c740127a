"""Filters for rows: ``--where 'lr > 0.001'``, ``--where 'state = completed'``, ``--where 'name ~ bert-*'``."""

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
    """A comparison of a column with a value: ``COLUMN = VALUE``, also ``!= < <= > >=``, and ``~`` for a pattern.

    Attributes:
        column: The name of the column.
        operator: The operator.
        value: The value: a JSON value if the text is one, otherwise a string.
    """

    column: str
    operator: str
    value: Any

    @classmethod
    def of(cls, text: str) -> Condition:
        """Parse a condition.

        Raises:
            ValueError: If *text* isn't a condition. The message describes the syntax.
        """
        match = _FORM.fullmatch(text)
        if match is None:
            raise ValueError(
                f"{text!r} isn't a condition. Write COLUMN = VALUE, or another operator: != < <= > >= ~ (a pattern)."
            )
        try:
            value = json.loads(match["value"])
        except ValueError:
            value = match["value"]
        return cls(match["column"], match["operator"], value)

    def holds(self, row: Mapping[str, Any]) -> bool:
        """Return whether the condition holds for a row. It doesn't if the row has no value that can be compared."""
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
