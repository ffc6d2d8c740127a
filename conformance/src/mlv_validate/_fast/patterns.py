"""Regular expressions for JSON values: the text of a value, with a form in place of each number, string and time."""

import json
import re
import sys
from typing import Any

__all__ = ["CLOCK", "COUNT", "FLAT", "KEY", "NAMED", "NUMBER", "OPTIONAL", "REPEATED", "STRING", "TIME"]
__all__ += ["Shapeless", "exact", "is_plain", "literal", "shape"]

_DAY = (
    r"(?!0000)[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    r"|02-(?:0[1-9]|1[0-9]|2[0-8]))"  # the 29th of February takes the full path
)
CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
# CPython before 3.11.5 matches a possessive group although only a part of it matches (gh-106052): "1e" as "1". There,
# only repetitions of one character are possessive, which takes more time.
OPTIONAL, REPEATED = ("?+", "*+") if sys.version_info >= (3, 11, 5) else ("?", "*")
_FRACTION = rf"(?:\.[0-9]{{1,9}}+){OPTIONAL}"
_OFFSET = r"(?:Z|[-+](?:[01][0-9]|2[0-3]):[0-5][0-9])"
TIME = rf'"{_DAY}T{CLOCK}\.[0-9]{{6}}Z"'
# At most fifteen digits before the point and an exponent of at most two: surely an integer in range, a finite number.
COUNT = r"[1-9][0-9]{0,14}+"
NUMBER = rf"-?+(?:0|{COUNT})(?:\.[0-9]++){OPTIONAL}(?:[eE][-+]?+[0-9]{{1,2}}+){OPTIONAL}"
STRING = r'"[^"\\\x00-\x1f]*+"'

# Any user's event without nested data; names in ASCII, as nearly all are.
FLAT = rf"(?:{STRING}|{NUMBER}|true|false|null)"
KEY = r'"(?!_mlv")[^"\\\x00-\x1f]*+"'
_SEGMENT = r"[ !#-.0-\[\]-~]++"
NAMED = rf'"(?!mlv)(?=[^"]{{1,1024}}+"){_SEGMENT}(?:/{_SEGMENT}){REPEATED}"'

# Typed values with only a `value` of this form, which is narrower than the specification's, never wider.
_PLAIN = {
    "float": r"(?:nan|-?inf)",
    "int": r"(?:0|-?[1-9][0-9]{0,999}+)",
    "datetime": rf"{_DAY}T{CLOCK}{_FRACTION}{_OFFSET}",
    "datetime-local": rf"{_DAY}T{CLOCK}{_FRACTION}",
    "date": _DAY,
    "time": rf"{CLOCK}{_FRACTION}{_OFFSET}?",
    "duration": r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?",
    "string": r"(?:[0-9a-f]{4})*",
}
_PLAIN_FORMS = {type_: re.compile(form) for type_, form in _PLAIN.items()}


def is_plain(typed: dict[str, Any]) -> bool:
    """Return whether a typed value is surely valid and isn't a reference."""
    form, value = _PLAIN_FORMS.get(typed["_mlv"]) if type(typed["_mlv"]) is str else None, typed.get("value")
    return form is not None and len(typed) == 2 and type(value) is str and form.fullmatch(value) is not None


class Shapeless(Exception):
    """A line has no pattern that is worth learning."""


def shape(value: object, comma: str, colon: str, *, typed_exactly: bool = False) -> str:
    """Return the pattern of a JSON value.

    Args:
        value: The value.
        comma: The separator of values, as the writer writes it.
        colon: The separator of a name and a value, as the writer writes it.
        typed_exactly: Whether the pattern matches a typed value that isn't plain, exactly as it is.

    Raises:
        Shapeless: If there is a typed value that isn't plain, unless `typed_exactly`.
    """
    if isinstance(value, bool) or value is None:
        return "(?:true|false|null)"
    if isinstance(value, int | float):
        return NUMBER
    if isinstance(value, str):
        return STRING
    if isinstance(value, list):
        items = [shape(item, comma, colon, typed_exactly=typed_exactly) for item in value]
        if len(items) > 1 and all(item == items[0] for item in items):
            return rf"\[{items[0]}(?:{comma}{items[0]})*\]"  # of any length
        return rf"\[{comma.join(items)}\]"
    if not isinstance(value, dict):
        raise Shapeless
    if "_mlv" in value and not is_plain(value):
        if not typed_exactly:
            raise Shapeless
        return exact(value, comma, colon)
    members = {name: shape(member, comma, colon, typed_exactly=typed_exactly) for name, member in value.items()}
    if "_mlv" in value:
        members = {"_mlv": f'"{value["_mlv"]}"', "value": f'"{_PLAIN[value["_mlv"]]}"'}
        members = {name: members[name] for name in value}
    return rf"\{{{comma.join(literal(name) + colon + member for name, member in members.items())}\}}"


def exact(value: object, comma: str, colon: str) -> str:
    """Return the pattern of exactly this value, as its writer most likely writes it."""
    return re.escape(json.dumps(value, separators=(comma, colon), ensure_ascii=False))


def literal(text: str) -> str:
    """Return the pattern of a string that has no escapes but those that JSON requires."""
    return re.escape(json.dumps(text, ensure_ascii=False))
