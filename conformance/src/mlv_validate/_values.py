"""Typed values: their places in a record, and the rules of phase `schema` for each of them."""

import re
from collections.abc import Callable, Container, Iterator
from datetime import date
from functools import lru_cache
from typing import Any

from mlv_validate._json import Broken
from mlv_validate._messages import message
from mlv_validate._schema import SCHEMAS, checks, definition
from mlv_validate._text import show

UTC = re.compile(definition("utc")["pattern"])
# Where the types that have a date have it, and the form in which it may be one that does not exist.
_DATED = {"external": ("modified", UTC)} | {
    type_: ("value", re.compile(SCHEMAS["value"]["$defs"][f"value.{type_}"]["then"]["properties"]["value"]["pattern"]))
    for type_ in ("datetime", "datetime-local", "date")
}
_MEMO_SIZE = 4096

TYPES = frozenset(SCHEMAS["value"]["$defs"]["value.type"]["properties"]["_mlv"]["anyOf"][0]["enum"])
"""The types that the specification defines."""

_OTHER = checks("value", member="_mlv", is_=None)
# A type of the table keeps `value.type` by that alone.
_CHECKS = {
    type_: [check for check in checks("value", member="_mlv", is_=type_) if check.rule != "value.type"]
    for type_ in TYPES
}

# Typed values that were found good. Only those whose members are all strings: 1, 1.0 and true would be one key.
_good: set[tuple[tuple[str, str], ...]] = set()


def typed_values(root: object) -> Iterator[dict[str, Any]]:
    """The typed values in a JSON value, itself included; those of unknown types are found but not inspected."""
    stack = [root]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            if "_mlv" in value:
                yield value
                if not known_type(value["_mlv"]):
                    continue
            stack.extend(inner for inner in value.values() if isinstance(inner, dict | list))
        elif isinstance(value, list):
            stack.extend(inner for inner in value if isinstance(inner, dict | list))


def known_type(type_: object) -> bool:
    """Whether an `_mlv` names a type of the specification."""
    return isinstance(type_, str) and type_ in TYPES


Quiet = Callable[[str], bool]


def never(rule: str) -> bool:
    """Messages of no rule may be left out."""
    return False


def judge_typed(value: dict[str, Any], known: bool, done: Container[str] = (), quiet: Quiet = never) -> list[Broken]:
    """
    The rules that a typed value breaks, but for those `done`; `known` says whether the version of its record is.

    Of rules that are `quiet`, the messages are left out.
    """
    memo = tuple(value.items()) if all(type(member) is str for member in value.values()) else None
    if memo is not None and memo in _good:
        return []
    type_ = value["_mlv"]
    broken = []
    for check in _CHECKS[type_] if known_type(type_) else _OTHER:
        if check.rule in done or check.rule == "value.unknown-members" and not known:
            continue
        if check.rule == "value.type" and not known and isinstance(type_, str) and "." not in type_:
            continue
        if not check.holds(value):
            where = "" if quiet(check.rule) else f"the typed value {show(type_)}"
            broken.append((check.rule, where and message(check.rule, check.error(value), where)))
    if known_type(type_) and type_ in _DATED:
        member, form = _DATED[type_]
        date = value.get(member)
        if isinstance(date, str) and form.search(date) and not exists(date):
            broken.append(("time.exists", f"there is no day {show(date[:10])}"))
    if memo is not None and not broken and not done and known and len(type_) + sum(map(len, value.values())) < 1000:
        if len(_good) >= _MEMO_SIZE:
            _good.clear()
        _good.add(memo)
    return broken


def exists(text: str) -> bool:
    """Whether the date at the start of a string, `YYYY-MM-DD` by its form, is in the calendar."""
    return _exists(text[:10])


@lru_cache(maxsize=1024)
def _exists(day: str) -> bool:
    try:
        date(int(day[:4]), int(day[5:7]), int(day[8:10]))
    except ValueError:
        return False
    return True
