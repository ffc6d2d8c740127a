"""
The lines of a stream of which the verdict is sure, found fast.

Training code writes the same few kinds of lines a million times. What this module says of a line is what the full path,
`parse` and `judge_event`, would find: nothing, or, of a `Bad` one, which rules it breaks. Of any other line it says
nothing at all. So what it does not know costs time, and never a verdict; `tests/test_shapes.py` holds it to that.

There are two ways to be sure of a good line; for others, see `_flaws`. `tame` reads one line with the standard parser
and checks what the rules check. A line that it accepts now and then is a teacher: its *shape*, the same text with a
pattern instead of each number, string and time, becomes one branch of a regular expression, which then accepts a
whole block of lines in one call.
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from itertools import compress, groupby
from typing import Any, NamedTuple

from mlv_validate._flaws import NO_OBJECT, Flaw, Flaws, syntax
from mlv_validate._json import MAX_QUICK, NOT_JSON, UNSURE, Broken, is_odd, parse, quick
from mlv_validate._patterns import COUNT, FLAT, KEY, NAMED, TIME, Shapeless, is_plain, literal, shape
from mlv_validate._values import UTC, exists, judge_typed, typed_values

__all__ = ["Bad", "Clean", "Item", "Run", "Shapes", "Whole", "each", "facts", "lesson"]


class Run(NamedTuple):
    """
    Lines of the user's events without `span` and without references, whose `seq` count on from `first`.

    `withins` are their `within`, 0 where there is none, each with the number of lines in a row that have it. `start`,
    `last` and `end` are where the first line begins, where the last one begins and where that ends, in the block.
    """

    first: int
    lines: int
    withins: tuple[tuple[int, int], ...]
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


class Bad(NamedTuple):
    """So many lines that break the same rules, for which they are masked."""

    flaw: Flaw
    lines: int
    start: int
    end: int


Item = Run | Clean | Whole | Bad

_MAX_BRANCH = 2000
_MAX_BRANCHES = 32
_LESSON = 64  # one line in so many of those that no shape accepts is a teacher, so that learning costs little

# --- one line ---

_NAME = re.compile(r"[^/\x00-\x1f\x7f-\x9f]++(?:/[^/\x00-\x1f\x7f-\x9f]++)*")


Tame = tuple[dict[str, Any], list[dict[str, Any]]]


def tame(raw: bytes, *, odd: bool = True, typed: bool = True) -> Tame | Flaw | None:
    """
    The event on a line, without its LF, and its typed values, if it is surely a good one of the user.

    Otherwise the rules of the phases `bytes` and `json` that it surely breaks, and None if nothing is sure.
    `odd` and `typed` say that the line may be odd, and that there may be a typed value in it.
    """
    event = quick(raw) if len(raw) <= MAX_QUICK and not (odd and is_odd(raw)) else UNSURE
    if event is NOT_JSON:
        return syntax(raw)
    if event is UNSURE:
        parsed = parse(raw, line=True, tried=True)
        if parsed.broken:
            rules = tuple(rule for rule, _ in parsed.broken)
            return Flaw(rules, rules, True)
        event = parsed.value
    if type(event) is not dict:
        return NO_OBJECT
    if not _is_good(event):
        return None
    values: list[dict[str, Any]] = []
    if typed and (b"_mlv" in raw or b"\\u" in raw):
        for value in typed_values(event["data"]):
            if not is_plain(value):
                if judge_typed(value, True):
                    return None
                values.append(value)
    return event, values


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


class _Table:
    """
    The shapes of the lines that begin alike, up to the name of the event.

    `matches` gives of each line of a block `seq`, `data`, `within` and the line itself. Of a line of a known shape the
    last is empty, and so is `data`, unless the shape is just that of any event without nested data: then it is left to
    see that the names in it differ. Of any other line all is empty but the line.
    """

    def __init__(self, head: str, comma: str, colon: str) -> None:
        self.begins = re.compile(head.encode())
        self.names = re.compile(f'"([^"]*+)"{colon}{FLAT}(?:{comma})?'.encode()).findall
        flat = f"{KEY}{colon}{FLAT}"
        data = rf"(\{{(?:{flat}(?:{comma}{flat})*+)?+\}})"
        self._before, self._after = (
            rf"{head}(?:",
            rf"{NAMED}{comma}{literal('data')}{colon}{data})"
            rf"(?:{comma}{literal('within')}{colon}({COUNT}))?\}}\n|([^\n]*+\n)",
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
        self.flaws = Flaws()

    def table(self, block: bytes) -> "_Table | None":
        """The table for a block of lines, by its first line, or else any; None if there is none."""
        tables = tuple(self._tables.values())
        table = next((table for table in tables if table.begins.match(block)), next(iter(tables), None))
        return table

    def see(self, lines: int, line: Callable[[], bytes]) -> None:
        """Take note of so many good lines of no known shape, one of which is `line`."""
        self._lines += lines
        if self._lines >= _LESSON:
            self._lines = 0
            self._learn(line()[:-1])

    def _learn(self, raw: bytes) -> None:
        """A shape that was met twice is worth learning."""
        known = tame(raw) if len(raw) <= _MAX_BRANCH else None
        if known is None or isinstance(known, Flaw):
            return
        comma, colon = (", ", ": ") if b'": ' in raw else (",", ":")
        try:
            head, branch = _parts(known[0], comma, colon)
        except Shapeless:
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
        raise Shapeless
    forms = {"seq": f"({COUNT})", "time": TIME}
    first = "".join(literal(name) + colon + forms[name] + comma for name in names[:2])
    branch = f"{literal(event['event'])}{comma}{literal('data')}{colon}{shape(event['data'], comma, colon)}"
    return rf"\{{{first}{literal('event')}{colon}", branch


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
    is_utf8 = _is_utf8(block)
    table = shapes.table(block) if is_utf8 else None
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
    few = len(left) < len(others) // 8  # so few that checking each costs less than the block
    odd = few or is_odd(block)
    may_be_typed = odd or b"_mlv" in block
    find = shapes.flaws.find if is_utf8 else _nothing
    bad, bad_lines, bad_start = _NONE, 0, 0  # lines just before the run that have one flaw
    for at in left:
        line = others[at]
        found: Tame | Flaw | None = find(line)
        if found is None:
            found = tame(line[:-1], odd=odd, typed=may_be_typed)
            if isinstance(found, Flaw) and found.known and found.known[0] in _OF_TEXT:
                shapes.flaws.see_text(line[:-1], found)
        flaw = found if isinstance(found, Flaw) else None
        good = None if isinstance(found, Flaw) else found
        if good is not None:
            shapes.see(1, partial(bytes, line))
            if not good[1] and "span" not in good[0]:
                seqs[at], withins[at] = good[0]["seq"], good[0].get("within", b"")
                continue
        is_after_good = at > first
        if bad_lines and (is_after_good or flaw != bad):
            yield Bad(bad, bad_lines, bad_start, start)
            bad_lines = 0
        if is_after_good:
            # The next line of these bytes is this one: an equal one before it would have stopped here as well.
            begin = start if block.startswith(line, start) else block.index(b"\n" + line, start) + 1
            yield from _run(block, seqs[first:at], withins[first:at], start, begin)
            start = begin
        end = start + len(line)
        if good is not None:
            yield Clean(*good, start, end)
        elif flaw is None:
            yield Whole(start, end)
        else:
            if not bad_lines:
                bad, bad_start = flaw, start
            bad_lines += 1
        first, start = at + 1, end
    if bad_lines:
        yield Bad(bad, bad_lines, bad_start, start)
    yield from _run(block, seqs[first:], withins[first:], start, len(block))


_NONE = Flaw(None, None, False)
_OF_TEXT = {"json.depth", "json.unique-names", "json.surrogates", "json.finite", "json.integers"}


def _nothing(line: bytes) -> None:
    """What is known of a line in a block that is not UTF-8."""


def lesson(line: bytes, event: object, broken: list[Broken], is_known: bool) -> None:
    """Learn from a line that has these findings of phase `schema`, and of which no shape is known."""
    _shapes.flaws.see_event(line[:-1], event, broken, is_known)


def _line(block: bytes, part: bytes) -> bytes:
    """The first line with one of the parts."""
    at = block.index(part)
    return block[block.rfind(b"\n", 0, at) + 1 : block.index(b"\n", at) + 1]


def each(block: bytes) -> Iterator[Clean | Whole]:
    """What is known about the lines of a block, one by one."""
    start = 0
    while start < len(block):
        end = block.index(b"\n", start) + 1
        known = tame(block[start : end - 1])
        yield Whole(start, end) if known is None or isinstance(known, Flaw) else Clean(*known, start, end)
        start = end


def _run(block: bytes, seqs: list[Any], withins: list[Any], start: int, end: int) -> Iterator[Run]:
    """The lines from `start` to `end`, in as few runs as possible."""
    if len(seqs) == 1:
        yield Run(int(seqs[0]), 1, ((int(withins[0] or 0), 1),), start, start, end)
        return
    numbers = list(map(int, seqs))
    if numbers == list(range(numbers[0], numbers[0] + len(numbers)) if numbers else []):
        if numbers:
            last = block.rfind(b"\n", start, end - 1) + 1
            yield Run(numbers[0], len(numbers), _rows(withins), start, last or start, end)
        return
    first, last = 0, start  # of the run: the index of its first line; the offset of the line
    for at, number in enumerate(numbers, 1):
        following = block.index(b"\n", last) + 1
        if at == len(numbers) or numbers[at] != number + 1:
            yield Run(numbers[first], at - first, _rows(withins[first:at]), start, last, following)
            first, start = at, following
        last = following


def _rows(withins: list[Any]) -> tuple[tuple[int, int], ...]:
    if len(set(withins)) == 1:
        return ((int(withins[0] or 0), len(withins)),)
    return tuple((int(within or 0), len(list(lines))) for within, lines in groupby(withins))
