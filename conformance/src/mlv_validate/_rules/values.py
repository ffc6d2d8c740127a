"""The chapter Values: the typed values in a record, and the rules of phase `schema` for each of them."""

import re
from collections.abc import Callable, Collection, Iterator
from datetime import date
from functools import lru_cache
from itertools import pairwise
from typing import Any

from mlv_validate._findings import Broken
from mlv_validate._schema.checks import SCHEMAS, Check, checks, definition
from mlv_validate._schema.messages import message
from mlv_validate._text import show

# `fullmatch`, because `$` matches before a line feed at the end, too.
UTC = re.compile(definition("utc")["pattern"])
# The member of a type that has a date, and the form in which the date may not exist in the calendar.
_DATED = {"external": ("modified", UTC)} | {
    type_: ("value", re.compile(SCHEMAS["value"]["$defs"][f"value.{type_}"]["then"]["properties"]["value"]["pattern"]))
    for type_ in ("datetime", "datetime-local", "date")
}
_MEMO_SIZE = 4096

TYPES = frozenset(SCHEMAS["value"]["$defs"]["value.type"]["properties"]["_mlv"]["anyOf"][0]["enum"])
"""The types that the specification defines."""

_OTHER_CHECKS = checks("value", member="_mlv", is_=None)
# A type that the specification defines keeps `value.type`.
_CHECKS = {
    type_: [check for check in checks("value", member="_mlv", is_=type_) if check.rule != "value.type"]
    for type_ in TYPES
}

# Valid typed values whose members are all strings: 1, 1.0 and true would be the same key.
_valid_values: set[tuple[tuple[str, str], ...]] = set()


def typed_values(root: object) -> Iterator[dict[str, Any]]:
    """Yield the typed values in a JSON value, itself included, but none inside those of unknown types."""
    stack = [root]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            if "_mlv" in value:
                yield value
                if not is_known_type(value["_mlv"]):
                    continue
            stack.extend(inner for inner in value.values() if isinstance(inner, dict | list))
        elif isinstance(value, list):
            stack.extend(inner for inner in value if isinstance(inner, dict | list))


def is_known_type(type_: object) -> bool:
    """Return whether an `_mlv` names a type of the specification."""
    return isinstance(type_, str) and type_ in TYPES


Quiet = Callable[[str], bool]


def never(rule: str) -> bool:
    """Return False: the message of the rule must not be left out."""
    return False


def check_typed(value: dict[str, Any], known: bool, done: Collection[str] = (), quiet: Quiet = never) -> list[Broken]:
    """Return the rules that a typed value breaks.

    Args:
        value: The typed value.
        known: Whether the version of its record is known.
        done: Rules to skip.
        quiet: Returns whether the message of a rule may be left out; by default, no message may.
    """
    memo = tuple(value.items()) if all(type(member) is str for member in value.values()) else None
    if memo is not None and memo in _valid_values:
        return []
    type_ = value["_mlv"]
    broken = []
    for check in _CHECKS[type_] if is_known_type(type_) else _OTHER_CHECKS:
        if check.rule in done or check.rule == "value.unknown-members" and not known:
            continue
        if check.rule == "value.type" and not known and isinstance(type_, str) and "." not in type_:
            continue
        if not check.holds(value):
            where = "" if quiet(check.rule) else f"the typed value {show(type_)}"
            broken.append((check.rule, where and _message(check, value, where)))
    if is_known_type(type_) and type_ in _DATED:
        member, form = _DATED[type_]
        date = value.get(member)
        if isinstance(date, str) and form.fullmatch(date) and not is_calendar_day(date):
            broken.append(("time.exists", f"there is no day {show(date[:10])}"))
    if is_known_type(type_) and type_ in _LENGTHS:
        broken += _check_lengths(value, {*done, *dict(broken)})
    if memo is not None and not broken and not done and known and len(type_) + sum(map(len, value.values())) < 1000:
        if len(_valid_values) >= _MEMO_SIZE:
            _valid_values.clear()
        _valid_values.add(memo)
    return broken


def _message(check: Check, value: dict[str, Any], where: str) -> str:
    """Return the message of a check that a typed value fails."""
    items = value.get(_ARRAYS.get(check.rule, ""))
    if isinstance(items, list):
        # `jsonschema` would take minutes for the longest arrays that a line may have.
        return f"{where}: {_wrong_item(check.rule, items)}"
    return message(check.rule, check.error(value), where)


_ARRAYS = {
    "histogram.edges": "edges",
    "histogram.counts": "counts",
    "table.columns": "columns",
    "table.rows": "rows",
}
"""The rules of the arrays of histograms and tables, and the arrays."""


def _wrong_item(rule: str, items: list[Any]) -> str:
    """Return what is wrong with an array that breaks one of `_ARRAYS` by what a schema can say."""
    seen: set[str] = set()
    name = _ARRAYS[rule]
    for at, item in enumerate(items):
        if name == "rows":
            if not isinstance(item, list):
                return f"rows[{at}] isn't an array"
        elif name == "columns":
            if not isinstance(item, str) or item in seen:
                return f"columns[{at}] isn't a string, or the name of another column"
            seen.add(item)
        elif type(item) not in (int, float) or name == "counts" and item < 0:
            return f"{name}[{at}] isn't a number{' of at least 0' if name == 'counts' else ''}"
    return f"{name} has {len(items)} items, not two or more"


def _check_lengths(value: dict[str, Any], done: Collection[str]) -> list[Broken]:
    """Return the rules of a histogram or a table that a value breaks and no schema can say."""
    where = f"the typed value {show(value['_mlv'])}"
    faults = ((rule, fault(value)) for rule, fault in _LENGTHS[value["_mlv"]] if rule not in done)
    return [(rule, f"{where}: {text}") for rule, text in faults if text]


def _order_fault(value: dict[str, Any]) -> str:
    """Return which edge of a histogram is out of order, or ""."""
    edges = value.get("edges")
    for at, (one, other) in enumerate(pairwise(edges if isinstance(edges, list) else ()), 1):
        if one > other:
            return f"edges[{at}] is less than the edge before"
    return ""


def _buckets_fault(value: dict[str, Any]) -> str:
    """Return what is wrong with the number of the buckets of a histogram, or ""."""
    edges, counts = value.get("edges"), value.get("counts")
    if isinstance(edges, list) and isinstance(counts, list) and len(edges) != len(counts) + 1:
        return f"edges has {len(edges)} numbers, not one more than counts, which has {len(counts)}"
    return ""


def _cells_fault(value: dict[str, Any]) -> str:
    """Return which row of a table has a wrong length, or ""."""
    columns, rows = value.get("columns"), value.get("rows")
    if not isinstance(columns, list) or not isinstance(rows, list):
        return ""
    for at, row in enumerate(rows):
        if isinstance(row, list) and len(row) != len(columns):
            return f"rows[{at}] has {len(row)} values for {len(columns)} columns"
    return ""


_LENGTHS: dict[str, tuple[tuple[str, Callable[[dict[str, Any]], str]], ...]] = {
    "histogram": (("histogram.edges", _order_fault), ("histogram.buckets", _buckets_fault)),
    "table": (("table.cells", _cells_fault),),
}
"""What no schema can say of a type, by its rules; the order is that of edges that are numbers."""


def is_calendar_day(text: str) -> bool:
    """Return whether the day at the start of a string, of the form `YYYY-MM-DD`, exists."""
    return _is_day(text[:10])


@lru_cache(maxsize=1024)
def _is_day(day: str) -> bool:
    try:
        date(int(day[:4]), int(day[5:7]), int(day[8:10]))
    except ValueError:
        return False
    return True
