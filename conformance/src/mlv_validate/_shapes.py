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
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from itertools import compress
from types import FunctionType
from typing import Any, NamedTuple, NoReturn

from mlv_validate._json import MAX_DEPTH, MAX_INTEGER, parse, too_deep
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
_MAX_BRANCHES = 32
_LESSON = 64  # one line in so many of those that no shape accepts is a teacher, so that learning costs little

# --- one line ---

_NAME = re.compile(r"[^/\x00-\x1f\x7f-\x9f]++(?:/[^/\x00-\x1f\x7f-\x9f]++)*")


def _constant(name: str) -> NoReturn:
    raise ValueError(name)


_scan = json.JSONDecoder(parse_constant=_constant).scan_once  # type: ignore[attr-defined]
_EXACT = not isinstance(_scan, FunctionType)  # the one written in Python takes digits that are not ASCII


def tame(raw: bytes, *, odd: bool = True, typed: bool = True) -> tuple[dict[str, Any], list[dict[str, Any]]] | None:
    """
    The event on a line, without its LF, and its typed values, if it is surely a good one of the user; else None.

    `odd` and `typed` say that the line may be `_is_odd`, and that there may be a typed value in it.
    """
    event: Any = None
    if _EXACT and len(raw) <= _MAX_TAME and not (odd and _is_odd(raw)):
        try:
            text = raw.decode()
            event, end = _scan(text, 0)
        except (ValueError, StopIteration, RecursionError):
            return None
        if end != len(text) or type(event) is not dict:
            return None
        # Each name is followed by '":', and strings may begin with it: fewer members are names that occur twice.
        if _members(event, raw) != raw.count(b'":'):
            event = None
    if event is None:
        parsed = parse(raw, line=True)
        if parsed.broken:
            return None
        event = parsed.value
    if type(event) is not dict or not _is_good(event):
        return None
    values: list[dict[str, Any]] = []
    if typed and (b"_mlv" in raw or b"\\u" in raw):
        for value in typed_values(event["data"]):
            if not _is_plain(value):
                if judge_typed(value, True):
                    return None
                values.append(value)
    return event, values


def _is_odd(raw: bytes) -> bool:
    """Whether there is an escape, a carriage return or a blank before a colon, as no names can be counted there."""
    return b"\\" in raw or b" :" in raw or b"\t:" in raw or b"\r" in raw


def _members(event: dict[str, Any], raw: bytes) -> int:
    """How many members all objects of an event have; -1 if it is too deep or one of its numbers is out of range."""
    stack: list[Any] = [event]
    count = 0
    for value in stack:
        if type(value) is dict:
            count += len(value)
            value = value.values()
        for inner in value:
            kind = type(inner)
            if kind is float:
                if inner - inner:  # NaN, of an infinite one
                    return -1
            elif kind is int:
                if not -MAX_INTEGER <= inner <= MAX_INTEGER:
                    return -1
            elif kind is dict or kind is list:
                stack.append(inner)
    return -1 if len(stack) > MAX_DEPTH and too_deep(raw) else count


def _is_good(event: dict[str, Any]) -> bool:
    """Whether an event of the user, its `data` aside, keeps all rules of phase `schema`; False says nothing."""
    seq, time, name, data = event.get("seq"), event.get("time"), event.get("event"), event.get("data")
    if type(seq) is not int or type(time) is not str or type(name) is not str or type(data) is not dict:
        return False
    if seq < 1 or "_mlv" in data or not _is_name(name):
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


@lru_cache(maxsize=4096)
def _is_name(name: str) -> bool:
    return len(name) <= 1024 and not name.startswith("mlv") and _NAME.fullmatch(name) is not None


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

# Any user's event without nested data; names in ASCII, as nearly all are.
_FLAT = rf"(?:{_STRING}|{_NUMBER}|true|false|null)"
_KEY = r'"(?!_mlv")[^"\\\x00-\x1f]*+"'
_SEGMENT = r"[ !#-.0-\[\]-~]++"
_NAMED = rf'"(?!mlv)(?=[^"]{{1,1024}}+"){_SEGMENT}(?:/{_SEGMENT})*+"'

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
    The shapes of the lines that begin alike, up to the name of the event.

    `matches` gives of each line of a block `seq`, `data`, `within` and the line itself. Of a line of a known shape the
    last is empty, and so is `data`, unless the shape is just that of any event without nested data: then it is left to
    see that the names in it differ. Of any other line all is empty but the line.
    """

    def __init__(self, head: str, comma: str, colon: str) -> None:
        self.begins = re.compile(head.encode())
        self.names = re.compile(f'"([^"]*+)"{colon}{_FLAT}(?:{comma})?'.encode()).findall
        flat = f"{_KEY}{colon}{_FLAT}"
        data = rf"(\{{(?:{flat}(?:{comma}{flat})*+)?+\}})"
        self._before, self._after = (
            rf"{head}(?:",
            rf"{_NAMED}{comma}{_literal('data')}{colon}{data})"
            rf"(?:{comma}{_literal('within')}{colon}({_COUNT}))?\}}\n|([^\n]*+\n)",
        )
        self._branches: list[str] = []
        self._compile()

    def learn(self, branch: str) -> None:
        """Take one more shape, unless there are too many: each costs time where the line is of another."""
        if branch not in self._branches and len(self._branches) < _MAX_BRANCHES:
            self._branches.append(branch)
            self._compile()

    def _compile(self) -> None:
        pattern = self._before + "".join(f"{branch}|" for branch in self._branches) + self._after
        self.matches = re.compile(pattern.encode()).findall


class Shapes:
    """What was learned. Shapes hold for every stream, so one writer's many experiments are learned once."""

    def __init__(self) -> None:
        self._tables: dict[str, _Table] = {}  # at most four: two orders of `seq` and `time`, with blanks and without
        self._met: set[str] = set()
        self._lines = 0

    def table(self, block: bytes) -> "_Table | None":
        """The table for a block of lines, by its first line; None if there is none."""
        table = next((table for table in tuple(self._tables.values()) if table.begins.match(block)), None)
        return table if table and _is_utf8(block) else None

    def see(self, lines: int, line: Callable[[], bytes]) -> None:
        """Take note of so many good lines of no known shape, one of which is `line`."""
        self._lines += lines
        if self._lines >= _LESSON:
            self._lines = 0
            self._learn(line()[:-1])

    def _learn(self, raw: bytes) -> None:
        """A shape that was met twice is worth to be learned."""
        known = tame(raw) if len(raw) <= _MAX_BRANCH else None
        if known is None:
            return
        comma, colon = (", ", ": ") if b'": ' in raw else (",", ":")
        try:
            head, branch = _parts(known[0], comma, colon)
        except _Shapeless:
            return
        table = self._tables.get(head)
        if table is None:
            if not re.match(head.encode(), raw):
                return
            table = self._tables[head] = _Table(head, comma, colon)
        if branch not in self._met:
            if len(self._met) >= 1024:
                self._met.clear()
            self._met.add(branch)
        elif len(branch) <= _MAX_BRANCH and re.match(f"{head}{branch}".encode(), raw):
            table.learn(branch)


def _parts(event: dict[str, Any], comma: str, colon: str) -> tuple[str, str]:
    """The pattern of a line up to the name of the event, and from there to the end of `data`."""
    names = list(event)
    if names[2:4] != ["event", "data"] or {*names[:2]} != {"seq", "time"} or names[4:] not in ([], ["within"]):
        raise _Shapeless
    forms = {"seq": f"({_COUNT})", "time": _TIME}
    first = "".join(_literal(name) + colon + forms[name] + comma for name in names[:2])
    branch = f"{_literal(event['event'])}{comma}{_literal('data')}{colon}{_shape(event['data'], comma, colon)}"
    return rf"\{{{first}{_literal('event')}{colon}", branch


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
    table = shapes.table(block)
    if table is None:
        others = [line + b"\n" for line in block[:-1].split(b"\n")]
        seqs: list[Any] = [b""] * len(others)
        withins: list[Any] = [b""] * len(others)
    else:
        columns: Any = map(list, zip(*table.matches(block), strict=True))
        seqs, datas, withins, others = columns
        formed = list(filter(None, datas))
        for data in formed:
            names = table.names(data)
            if len(names) != len(set(names)):
                yield from each(block)
                return
        if formed:
            shapes.see(len(formed), lambda: _line(block, formed[-1]))
    first = start = 0  # of the run: the index of its first line, and the offset
    left = list(compress(range(len(others)), others))
    few = len(left) < len(others) // 8  # so few that it costs less to look at each than at the block
    odd = few or _is_odd(block)
    may_be_typed = odd or b"_mlv" in block
    for at in left:
        line = others[at]
        known = tame(line[:-1], odd=odd, typed=may_be_typed)
        if known is not None:
            event, typed = known
            shapes.see(1, partial(bytes, line))
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


def _line(block: bytes, part: bytes) -> bytes:
    """The first line with such a part."""
    at = block.index(part)
    return block[block.rfind(b"\n", 0, at) + 1 : block.index(b"\n", at) + 1]


def each(block: bytes) -> Iterator[Clean | Whole]:
    """What is known about the lines of a block, one by one."""
    start = 0
    while start < len(block):
        end = block.index(b"\n", start) + 1
        known = tame(block[start : end - 1])
        yield Clean(*known, start, end) if known is not None else Whole(start, end)
        start = end


def _run(block: bytes, seqs: list[Any], withins: list[Any], start: int, end: int) -> Iterator[Item]:
    if not seqs:
        return
    first, count = int(seqs[0]), len(seqs)
    if list(map(int, seqs)) == list(range(first, first + count)):
        last = block.rfind(b"\n", start, end - 1) + 1
        yield Run(first, count, frozenset(int(within) for within in set(withins) if within), start, last or start, end)
    else:
        for item in each(block[start:end]):
            yield item._replace(start=item.start + start, end=item.end + start)
