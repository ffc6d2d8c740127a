"""The line of an event: from the values of its members to its bytes (specification 1.0, chapter Events).

Most events have a few numbers, under names that an earlier event had in the same order. For them, this module has a
fast path: the JSON of their data is a template, into which the numbers are formatted. A test checks that the bytes are
those of the general path (`encode` and `dumps`). Template and numbers are a snapshot of the data, so the bytes can be
made later, also in another process.
"""

from __future__ import annotations

import time
from math import hypot

from .._errors import CannotEncode
from .._messages import warn_once
from .encode import encode
from .forms import utc
from .json import MAX_INT, dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    #: The values of `numbers`.
    Numbers: TypeAlias = tuple[int | float, ...]
    #: An event with its seq and its time, in nanoseconds since 1970.
    Numbered: TypeAlias = "tuple[int, int, Pending]"

__all__ = ["Pending", "are_json_numbers", "line", "note_number", "now", "numbers", "was_number", "with_special"]

_MAX_TEMPLATES = 1000
_MAX_MEMBERS = 1000  # of a template
_MAX_NAME = 100  # characters of a member's name
_MAX_NUMBER_NAMES = 10_000

_templates: dict[tuple[str, ...], bytes] = {}  # by the names of the members
_number_names: set[str] = set()  # of members that were numbers in an event of this process


def numbers(data: dict[Any, Any]) -> tuple[bytes, Numbers] | None:
    """Return the template and the values of data that has only floats and integers; None for other data."""
    for value in data.values():
        if type(value) is not float and type(value) is not int:
            return None
    template = _templates.get(tuple(data)) or _new_template(data)
    return None if template is None else (template, tuple(data.values()))


def _new_template(data: dict[Any, Any]) -> bytes | None:
    if len(_templates) >= _MAX_TEMPLATES or len(data) > _MAX_MEMBERS:
        return None
    if not all(type(name) is str and len(name) <= _MAX_NAME for name in data):
        return None
    try:
        members = [dumps(encode({name: 0}, path="data", depth=2))[1:-2] for name in data]
    except CannotEncode:  # a name with a lone surrogate
        return None
    text = "{" + ",".join(member.replace("%", "%%") + "%a" for member in members) + "}"
    _templates[tuple(data)] = template = text.encode("ascii")
    for name in data:
        note_number(name)
    return template


def note_number(name: str) -> None:
    """Remember that a member of this name is a number, for `was_number`."""
    if len(_number_names) < _MAX_NUMBER_NAMES:
        _number_names.add(name)


def was_number(name: str) -> bool:
    """Return whether a member of this name was a number in an event of this process."""
    return name in _number_names


def are_json_numbers(values: Numbers) -> bool:
    """Return whether all values are numbers of JSON, so that none needs a typed value (`value.float`, `value.int`).

    The result is also False if the Euclidean norm of the values is above `MAX_INT`, which is rare.
    """
    try:
        # One comparison for all values, which also fails for nan and the infinities.
        return hypot(*values) <= MAX_INT
    except OverflowError:  # an integer that is too large for a float
        return False


def with_special(template: bytes, values: Numbers) -> bytes:
    """Return the JSON of a template and values of which some need typed values, and warn if one can't be encoded."""
    import json

    names = json.loads(template % ((0,) * len(values)))
    tree = {
        name: encode(value, path=f"data.{name}", depth=3, report=warn_once)
        for name, value in zip(names, values, strict=True)
    }
    return dumps(tree).encode("ascii")


class Pending:
    """An event that isn't written yet: the parts of its line, without the seq and the time.

    For an event that is written without waiting, these parts are passed as separate arguments, as to `line`: to make
    this object would cost the process writer a tenth of its time.

    Args:
        name: The name as JSON, with quotes.
        data: The data as JSON; with *values*, the template for them.
        values: The values from `numbers`, or None.
        span_members: The members `span`, `begin`, `seconds` and `within`, as JSON text, each with a comma in front.
    """

    __slots__ = ("data", "name", "span_members", "values")

    def __init__(self, name: bytes, data: bytes, values: Numbers | None = None, span_members: bytes = b"") -> None:
        self.name: bytes = name
        self.data: bytes = data
        self.values: Numbers | None = values
        self.span_members: bytes = span_members

    def with_span_members(self, span_members: bytes) -> Pending:
        """Return the same event with other span members."""
        return Pending(self.name, self.data, self.values, span_members)

    def render(self, seq: int, nanoseconds: int) -> bytes:
        """Return the line of the event with this seq and time."""
        return line(seq, nanoseconds, self.name, self.data, self.values, self.span_members)


def line(seq: int, nanoseconds: int, name: bytes, data: bytes, values: Numbers | None, span_members: bytes) -> bytes:
    """Return one line of a stream.

    Args:
        seq: The number of the event in its stream.
        nanoseconds: The time in nanoseconds since 1970 in UTC.
        name: As for `Pending`.
        data: As for `Pending`.
        values: As for `Pending`.
        span_members: As for `Pending`.
    """
    if values is not None:
        data = data % values if are_json_numbers(values) else with_special(data, values)
    return b'{"seq":%d,"time":"%b","event":%b,"data":%b%b}\n' % (seq, _stamp(nanoseconds), name, data, span_members)


def now() -> str:
    """Return the current time in the form of `event.time`: UTC, with six fraction digits and Z."""
    return _stamp(time.time_ns()).decode("ascii")


def _stamp(nanoseconds: int) -> bytes:
    # Most events have the same second as the event before, and formatting a second is expensive.
    global _last_second
    digits = b"%d" % nanoseconds
    if nanoseconds < 1_000_000_000:  # a clock that was never set
        digits = b"%d" % (nanoseconds % 1_000_000_000 + 1_000_000_000)
        return b"%b.%bZ" % (_second(nanoseconds // 1_000_000_000), digits[1:7])
    known, second = _last_second
    if digits[:-9] != known:
        known, second = digits[:-9], _second(nanoseconds // 1_000_000_000)
        _last_second = (known, second)
    return b"%b.%bZ" % (second, digits[-9:-3])


def _second(seconds: int) -> bytes:
    return utc(seconds).encode("ascii")


_last_second = (b"", b"")
