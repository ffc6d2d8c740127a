"""
The lines of a stream that are surely in order, found fast.

Training code writes the same few kinds of lines a million times. A line of which this module says something is one that
the full path, `parse` and `judge_event`, would accept without a finding; of any other line it says nothing at all. So
what it does not know costs time, and never a verdict; `tests/test_shapes.py` holds it to that.

There are two ways to be sure. `tame` reads one line with the standard parser and looks at what the rules look at. A
line that it accepts now and then is a teacher: its *shape*, the same text with a pattern in the place of each number,
string and time, becomes one branch of a regular expression, which then accepts a whole block of lines in one call.
"""

import json
import re
from collections.abc import Iterator
from itertools import compress
from typing import Any, NamedTuple, NoReturn

from mlv_validate._json import MAX_DEPTH, MAX_INTEGER, parse
from mlv_validate._values import UTC, exists, judge_typed, typed_values

__all__ = ["Clean", "Item", "Run", "Shapes", "Whole", "each", "facts"]


class Run(NamedTuple):
    """
    Lines of the user's events without `span` and without references, whose `seq` count on from `first`.

    `withins` are the `within` that occur in them. `start`, `last` and `end` are where the first line begins, where the
    last one begins and where that ends, in the block.
    """

    first: int
    lines: int
    withins: frozenset[int]
    start: int
    last: int
    end: int


class Clean(NamedTuple):
    """A line of the user with `span`, or with typed values that are to be judged as references: a good one too."""

    event: dict[str, Any]
    typed: list[dict[str, Any]]
    start: int
    end: int


class Whole(NamedTuple):
    """A line about which nothing is known."""

    start: int
    end: int


Item = Run | Clean | Whole

_MAX_TAME = 64 * 1024  # a longer line takes the full path, which bounds what a number of many digits costs
_MAX_BRANCH = 2000
_MAX_BRANCHES = 64
_MAX_TABLES = 4
_LESSON = 64  # one line in so many of those that no shape accepts is a teacher, so that learning costs little

# --- one line ---

_NAME = re.compile(r"[^/\x00-\x1f\x7f-\x9f]++(?:/[^/\x00-\x1f\x7f-\x9f]++)*")


def _constant(name: str) -> NoReturn:
    raise ValueError(name)


_scan = json.JSONDecoder(parse_constant=_constant).scan_once  # type: ignore[attr-defined]


def tame(raw: bytes) -> tuple[dict[str, Any], list[dict[str, Any]]] | None:
    """The event on a line, without its LF, and its typed values, if it is surely a good one of the user; else None."""
    value: Any
    if b"\\" in raw:
        parsed = parse(raw, line=True)
        if parsed.broken:
            return None
        value = parsed.value
    else:
        if len(raw) > _MAX_TAME or b"\r" in raw or raw.count(b"{") + raw.count(b"[") > MAX_DEPTH:
            return None
        try:
            text = raw.decode()
            value, end = _scan(text, 0)
        except (ValueError, StopIteration):
            return None
        # Where there is no backslash, each '":' is the end of a member's name.
        if end != len(text) or _members(value) != raw.count(b'":'):
            return None
    if type(value) is not dict or not _is_good(value):
        return None
    typed: list[dict[str, Any]] = []
    if b"_mlv" in raw or b"\\u" in raw:
        for inner in typed_values(value["data"]):
            if not _is_plain(inner):
                if judge_typed(inner, True):
                    return None
                typed.append(inner)
    return value, typed


def _members(value: object) -> int:
    """How many members all objects of a JSON value have; -1 if one of its numbers is beyond the profile."""
    stack, count = [value], 0
    while stack:
        value = stack.pop()
        inner: Any = value
        if type(value) is dict:
            count += len(value)
            inner = value.values()
        elif type(value) is not list:
            return -1
        for one in inner:
            kind = type(one)
            if kind is float:
                if one - one != 0.0:  # infinite
                    return -1
            elif kind is int:
                if not -MAX_INTEGER <= one <= MAX_INTEGER:
                    return -1
            elif kind is dict or kind is list:
                stack.append(one)
    return count


def _is_good(event: dict[str, Any]) -> bool:
    """Whether an event of the user, its `data` aside, keeps all rules of phase `schema`; False says nothing."""
    seq, time, name, data = event.get("seq"), event.get("time"), event.get("event"), event.get("data")
    if type(seq) is not int or type(time) is not str or type(name) is not str or type(data) is not dict:
        return False
    if seq < 1 or "_mlv" in data or len(name) > 1024 or name.startswith("mlv") or not _NAME.fullmatch(name):
        return False
    if not UTC.search(time) or not exists(time):
        return False
    members = 4
    if "within" in event:
        if type(event["within"]) is not int or event["within"] < 1:
            return False
        members = 5
    if len(event) == members:
        return True
    if event.get("span") == "begin":
        return len(event) == members + 1
    if event.get("span") != "end" or "within" in event or len(event) != 7:
        return False
    begin, seconds = event.get("begin"), event.get("seconds")
    return type(begin) is int and begin >= 1 and type(seconds) in (int, float) and seconds >= 0  # type: ignore[operator]


# --- shapes ---

_DAY = (
    r"(?!0000)[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    r"|02-(?:0[1-9]|1[0-9]|2[0-8]))"  # the 29th of February takes the full path
)
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_FRACTION = r"(?:\.[0-9]{1,9}+)?+"
_OFFSET = r"(?:Z|[-+](?:[01][0-9]|2[0-3]):[0-5][0-9])"
_TIME = rf'"{_DAY}T{_CLOCK}\.[0-9]{{6}}Z"'
# At most fifteen digits before the point and an exponent of at most two: surely an integer in range, a finite number.
_COUNT = r"[1-9][0-9]{0,14}+"
_NUMBER = rf"-?+(?:0|{_COUNT})(?:\.[0-9]++)?+(?:[eE][-+]?+[0-9]{{1,2}}+)?+"
_STRING = r'"[^"\\\x00-\x1f]*+"'

# Typed values with nothing but a `value` of this form. It is narrower than the specification's, never wider.
_PLAIN = {
    "float": r"(?:nan|-?inf)",
    "int": r"(?:0|-?[1-9][0-9]{0,999}+)",
    "datetime": rf"{_DAY}T{_CLOCK}{_FRACTION}{_OFFSET}",
    "datetime-local": rf"{_DAY}T{_CLOCK}{_FRACTION}",
    "date": _DAY,
    "time": rf"{_CLOCK}{_FRACTION}{_OFFSET}?",
    "duration": r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?",
    "string": r"(?:[0-9a-f]{4})*",
}
_PLAIN_FORMS = {type_: re.compile(form) for type_, form in _PLAIN.items()}


def _is_plain(typed: dict[str, Any]) -> bool:
    """Whether a typed value is surely good, and refers to nothing."""
    form, value = _PLAIN_FORMS.get(typed["_mlv"]) if type(typed["_mlv"]) is str else None, typed.get("value")
    return form is not None and len(typed) == 2 and type(value) is str and form.fullmatch(value) is not None


class _Shapeless(Exception):
    """The line is not one to learn from."""


def _shape(value: object, comma: str, colon: str) -> str:
    """The pattern of a JSON value; `comma` and `colon` are how the writer spells what stands between values."""
    if isinstance(value, bool) or value is None:
        return "(?:true|false|null)"
    if isinstance(value, int | float):
        return _NUMBER
    if isinstance(value, str):
        return _STRING
    if isinstance(value, list):
        items = [_shape(item, comma, colon) for item in value]
        if len(items) > 1 and all(item == items[0] for item in items):
            return rf"\[{items[0]}(?:{comma}{items[0]})*\]"  # as long as it likes
        return rf"\[{comma.join(items)}\]"
    if not isinstance(value, dict):
        raise _Shapeless
    members = {name: _shape(member, comma, colon) for name, member in value.items()}
    if "_mlv" in value:
        if not _is_plain(value):
            raise _Shapeless
        members = {"_mlv": f'"{value["_mlv"]}"', "value": f'"{_PLAIN[value["_mlv"]]}"'}
        members = {name: members[name] for name in value}
    return rf"\{{{comma.join(_literal(name) + colon + member for name, member in members.items())}\}}"


def _literal(text: str) -> str:
    return re.escape(json.dumps(text, ensure_ascii=False))


class _Table:
    """
    The shapes whose lines begin alike, up to the name of the event.

    Each match is a line, and a triple: `seq`, `within` and nothing, or nothing, nothing and a line of no known shape.
    """

    def __init__(self, head: str, within: str) -> None:
        self.begins = re.compile(head.encode())
        self.matches = re.compile(rb"()()([^\n]*+\n)").findall
        self._head = head
        self._within = within
        self._branches: list[str] = []

    def learn(self, branch: str) -> None:
        if branch in self._branches or len(self._branches) >= _MAX_BRANCHES:
            return
        self._branches.append(branch)
        pattern = rf"{self._head}(?:{'|'.join(self._branches)})(?:{self._within})?\}}\n|([^\n]*+\n)"
        self.matches = re.compile(pattern.encode()).findall


class Shapes:
    """What was learned. Shapes hold for every stream, so one writer's many experiments are learned once."""

    def __init__(self) -> None:
        self._tables: dict[str, _Table] = {}
        self._met: set[str] = set()
        self._lines = 0

    def matches(self, block: bytes) -> list[tuple[bytes, bytes, bytes]]:
        """The lines of a block, each a triple as in `_Table`."""
        table = next((table for table in self._tables.values() if table.begins.match(block)), None)
        if table is None or not _is_utf8(block):
            return [(b"", b"", line + b"\n") for line in block[:-1].split(b"\n")]
        return table.matches(block)

    def see(self, raw: bytes, event: dict[str, Any]) -> None:
        """Take note of a good line of no known shape. A shape that was met twice is worth to be learned."""
        self._lines += 1
        if self._lines % _LESSON or len(raw) > _MAX_BRANCH:
            return
        comma, colon = (", ", ": ") if b'": ' in raw else (",", ":")
        try:
            head, branch, within = _parts(event, comma, colon)
        except _Shapeless:
            return
        if branch not in self._met:
            if len(self._met) >= 1024:
                self._met.clear()
            self._met.add(branch)
        elif head in self._tables or len(self._tables) < _MAX_TABLES:
            if len(branch) <= _MAX_BRANCH and re.fullmatch(f"{head}{branch}(?:{within})?\\}}".encode(), raw):
                self._tables.setdefault(head, _Table(head, within)).learn(branch)


def _parts(event: dict[str, Any], comma: str, colon: str) -> tuple[str, str, str]:
    """The pattern of a line in three parts: up to the name of the event, the middle, and a `within` at the end."""
    names = [name for name in event if name != "within"]
    if set(names) != {"seq", "time", "event", "data"} or names[2:] != ["event", "data"]:
        raise _Shapeless
    if "within" in event and list(event)[-1] != "within":
        raise _Shapeless
    first = {"seq": f"({_COUNT})", "time": _TIME}
    head = (
        rf"\{{{comma.join(_literal(name) + colon + first[name] for name in names[:2])}{comma}{_literal('event')}{colon}"
    )
    branch = f"{_literal(event['event'])}{comma}{_literal('data')}{colon}{_shape(event['data'], comma, colon)}"
    return head, branch, f"{comma}{_literal('within')}{colon}({_COUNT})"


def _is_utf8(block: bytes) -> bool:
    if block.isascii():
        return True
    try:
        block.decode()
    except UnicodeDecodeError:
        return False
    return True


# --- blocks ---

_shapes = Shapes()


def facts(block: bytes, shapes: Shapes = _shapes) -> Iterator[Item]:
    """What is known about the lines of a block, which ends with an LF: in their order, and without a gap."""
    found = shapes.matches(block)
    columns: Any = map(list, zip(*found, strict=True))
    seqs, withins, others = columns
    first = start = 0  # of the run: the index of its first line, and the offset
    for at in compress(range(len(others)), others):
        line = others[at]
        known = tame(line[:-1])
        if known is not None:
            event, typed = known
            shapes.see(line[:-1], event)
            if not typed and "span" not in event:
                seqs[at], withins[at] = event["seq"], event.get("within", b"")
                continue
        # The next line of these bytes is this one: an equal one before it would have stopped here as well.
        begin = start if block.startswith(line, start) else block.index(b"\n" + line, start) + 1
        end = begin + len(line)
        yield from _run(block, seqs[first:at], withins[first:at], start, begin)
        yield Clean(event, typed, begin, end) if known is not None else Whole(begin, end)
        first, start = at + 1, end
    yield from _run(block, seqs[first:], withins[first:], start, len(block))


def each(block: bytes, start: int, end: int) -> Iterator[Clean | Whole]:
    """What is known about lines of a block, one by one."""
    while start < end:
        after = block.index(b"\n", start) + 1
        known = tame(block[start : after - 1])
        yield Clean(*known, start, after) if known is not None else Whole(start, after)
        start = after


def _run(block: bytes, seqs: list[Any], withins: list[Any], start: int, end: int) -> Iterator[Item]:
    if not seqs:
        return
    first, count = int(seqs[0]), len(seqs)
    if list(map(int, seqs)) == list(range(first, first + count)):
        last = block.rfind(b"\n", start, end - 1) + 1
        yield Run(first, count, frozenset(int(within) for within in set(withins) if within), start, last or start, end)
    else:
        yield from each(block, start, end)
