"""The line of an event, from what is known of it to its bytes (specification 1.0, chapter Events).

Most events have a few numbers under names that came before in this order. For them there is a short way here: the JSON
text of their data is a template with the numbers put in. It gives the same bytes as the general way (`encode` and
`dumps`), which a test compares. Template and numbers are a snapshot of the data: the text can be made later, elsewhere.
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

__all__ = ["Pending", "are_ordinary", "line", "now", "numbers", "with_special"]

_TEMPLATES = 1000  # and members in one of them
_LONG = 100  # characters of a name

_templates: dict[tuple[str, ...], bytes] = {}  # by the names


def numbers(data: dict[Any, Any]) -> tuple[bytes, Numbers] | None:
    """Template and values of data that has only floats and integers; None for other data."""
    for value in data.values():
        if type(value) is not float and type(value) is not int:
            return None
    template = _templates.get(tuple(data)) or _learn(data)
    return None if template is None else (template, tuple(data.values()))


def _learn(data: dict[Any, Any]) -> bytes | None:
    if len(_templates) >= _TEMPLATES or len(data) > _TEMPLATES:
        return None
    if not all(type(name) is str and len(name) <= _LONG for name in data):
        return None
    try:
        members = [dumps(encode({name: 0}, path="data", depth=2))[1:-2] for name in data]
    except CannotEncode:  # a name with a lone surrogate
        return None
    text = "{" + ",".join(member.replace("%", "%%") + "%a" for member in members) + "}"
    _templates[tuple(data)] = template = text.encode("ascii")
    return template


def are_ordinary(values: Numbers) -> bool:
    """Are they numbers of JSON, and no special values (`value.float`, `value.int`)?"""
    try:
        # One comparison for all of them: it fails for nan and the infinities, too. What else it keeps off is rare.
        return hypot(*values) <= MAX_INT
    except OverflowError:  # an integer that no float can be
        return False


def with_special(template: bytes, values: Numbers) -> bytes:
    """The JSON text of data that `numbers` has taken apart, some of whose values are special.

    Warns of a value that cannot be encoded."""
    import json

    names = json.loads(template % ((0,) * len(values)))
    tree = {
        name: encode(value, path=f"data.{name}", depth=3, lenient=warn_once)
        for name, value in zip(names, values, strict=True)
    }
    return dumps(tree).encode("ascii")


class Pending:
    """An event that isn't written yet: the parts of its line, without the seq and the time.

    The path of an event that is written at once passes these parts one by one, as `line` takes them: to make this
    object there would cost the process writer a tenth of its time.

    Args:
        name: The name as JSON text, with quotes.
        data: The data as JSON text; with *values*, the template for them.
        values: The values from `numbers`, or None.
        span_members: The members `span`, `begin`, `seconds` and `within`, as JSON text, each with a comma in front.
    """

    __slots__ = ("data", "name", "span_members", "values")

    def __init__(self, name: bytes, data: bytes, values: Numbers | None = None, span_members: bytes = b"") -> None:
        self.name = name
        self.data = data
        self.values = values
        self.span_members = span_members

    def with_span_members(self, span_members: bytes) -> Pending:
        """Return the same event with other span members."""
        return Pending(self.name, self.data, self.values, span_members)

    def render(self, seq: int, nanoseconds: int) -> bytes:
        """Return the line of the event with this seq and time."""
        return line(seq, nanoseconds, self.name, self.data, self.values, self.span_members)


def line(seq: int, nanoseconds: int, name: bytes, data: bytes, values: Numbers | None, span_members: bytes) -> bytes:
    """Return one line of a stream.

    Args:
        seq: The seq.
        nanoseconds: The time, since 1970 in UTC.
        name, data, values, span_members: As for `Pending`.
    """
    if values is not None:
        data = data % values if are_ordinary(values) else with_special(data, values)
    return b'{"seq":%d,"time":"%b","event":%b,"data":%b%b}\n' % (seq, _stamp(nanoseconds), name, data, span_members)


def now() -> str:
    """The present time as the specification writes it (`event.time`): UTC, six fraction digits, Z."""
    return _stamp(time.time_ns()).decode("ascii")


def _stamp(nanoseconds: int) -> bytes:
    # Most events come in the same second as the one before, and formatting it is the expensive part.
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
