"""Fast checks of the lines of a stream that are surely valid.

Training code writes the same few kinds of lines a million times. The result for a line is that of the full path,
`parse` and `check_event`: no broken rule, or the rules that a `Bad` line breaks. For any other line there is no result.
So a line that is unknown here costs time, and never a finding; `tests/test_shapes.py` compares both paths.

A valid line is recognized in two ways; `flaws` recognizes others. `tame` parses one line by the standard parser, and
checks what the rules check. From time to time a line that `tame` accepts is a sample to learn from: its *shape*, the
same text with a pattern in place of each number, string and time, becomes a branch of a regular expression. The regular
expression then accepts a whole block of lines in one call.
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from itertools import compress, groupby
from typing import Any, NamedTuple

from mlv_validate._fast.flaws import NO_OBJECT, Flaw, Flaws, syntax
from mlv_validate._fast.patterns import COUNT, FLAT, KEY, NAMED, TIME, Shapeless, is_plain, literal, shape
from mlv_validate._findings import Broken
from mlv_validate._rules.bytes import MAX_QUICK, NOT_JSON, UNSURE, is_odd, parse, quick
from mlv_validate._rules.values import UTC, check_typed, is_calendar_day, typed_values

__all__ = ["Bad", "Clean", "Item", "Run", "Shapes", "Whole", "each", "facts", "lesson"]


class Run(NamedTuple):
    """Lines of the user's events without `span` and without references, whose `seq` count on from `first`.

    `withins` are their `within`, 0 if there is none, each with the number of consecutive lines that have it. `start`,
    `last` and `end` are offsets in the block: of the first line, of the last line, and of its end.
    """

    first: int
    lines: int
    withins: tuple[tuple[int, int], ...]
    start: int
    last: int
    end: int


class Clean(NamedTuple):
    """A valid line of the user with `span`, or with typed values that must be checked as references."""

    event: dict[str, Any]
    typed: list[dict[str, Any]]
    start: int
    end: int


class Whole(NamedTuple):
    """A line about which nothing is known, so that the full path must check it."""

    start: int
    end: int


class Bad(NamedTuple):
    """
    Lines that break rules for which they are masked.

    `runs` are their flaws, each with the number of lines in a row that have it, and the size of these lines.
    """

    runs: tuple[tuple[Flaw, int, int], ...]
    start: int
    end: int


Item = Run | Clean | Whole | Bad

_MAX_BRANCH = 2000
_MAX_BRANCHES = 32
_LESSON = 64  # one line in so many that no shape accepts is a sample to learn from, so that learning costs little

# --- one line ---

_NAME = re.compile(r"[^/\x00-\x1f\x7f-\x9f]++(?:/[^/\x00-\x1f\x7f-\x9f]++)*")


Tame = tuple[dict[str, Any], list[dict[str, Any]]]


def tame(raw: bytes, *, odd: bool = True, typed: bool = True) -> Tame | Flaw | None:
    """The event on a line, without its LF, and its typed values, if it is surely a good one of the user.

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
                if check_typed(value, True):
                    return None
                values.append(value)
    return event, values


def _is_good(event: dict[str, Any]) -> bool:
    """Return whether an event of the user, except its `data`, surely keeps all rules of phase `schema`."""
    seq, time, name, data = event.get("seq"), event.get("time"), event.get("event"), event.get("data")
    if type(seq) is not int or type(time) is not str or type(name) is not str or type(data) is not dict:
        return False
    if seq < 1 or "_mlv" in data or not _is_name(name):
        return False
    if not UTC.search(time) or not is_calendar_day(time):
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
    """The shapes of lines with the same beginning, up to the name of the event.

    `matches` returns `seq`, `data`, `within` and the line itself for each line of a block. For a line of a known shape,
    the last is empty, and so is `data`, unless the shape is that of any event without nested data: then the caller must
    check that the names in `data` differ. For any other line, everything is empty but the line.
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
        """Add a shape, unless there are too many: each costs time for lines of other shapes."""
        if branch not in self._branches and len(self._branches) < _MAX_BRANCHES:
            self._branches.append(branch)
            self._compile()

    def _compile(self) -> None:
        pattern = self._before + "".join(f"{branch}|" for branch in self._branches) + self._after
        self.matches = re.compile(pattern.encode()).findall


class Shapes:
    """The learned shapes. They apply to every stream, so that many experiments of one writer are learned once."""

    def __init__(self) -> None:
        self._tables: dict[str, _Table] = {}  # at most four: two orders of `seq` and `time`, with blanks and without
        self._met: set[str] = set()
        self._lines = 0
        self.flaws = Flaws()

    def table(self, block: bytes) -> "_Table | None":
        """Return the table for a block of lines by its first line, else any table; None if there is none."""
        tables = tuple(self._tables.values())
        table = next((table for table in tables if table.begins.match(block)), next(iter(tables), None))
        return table

    def see(self, lines: int, line: Callable[[], bytes]) -> None:
        """Take note of so many valid lines of no known shape, one of which is `line`."""
        self._lines += lines
        if self._lines >= _LESSON:
            self._lines = 0
            self._learn(line()[:-1])

    def _learn(self, raw: bytes) -> None:
        """Learn the shape of a line if it occurs a second time."""
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
    """Return the pattern of a line up to the name of the event, and that from there to the end of `data`."""
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
    """Yield items for the lines of a block, which ends with an LF, in their order and without a gap."""
    is_utf8 = _is_utf8(block)
    columns = _columns(block, shapes, is_utf8)
    if columns is None:
        yield from each(block)
        return
    seqs, withins, others = columns
    first = start = 0  # of the run: the index of its first line, and the offset
    left = list(compress(range(len(others)), others))
    few = len(left) < len(others) // 8  # so few that checking each costs less than checking the block
    odd = few or is_odd(block)
    may_be_typed = odd or b"_mlv" in block
    find = shapes.flaws.find if is_utf8 else _nothing
    bad: list[tuple[Flaw, int, int]] = []  # lines just before the run that have flaws
    bad_start = 0
    for at in left:
        line = others[at]
        found: Tame | Flaw | None = find(line)
        if found is None:
            found = _tame(line[:-1], shapes, odd, may_be_typed)
        flaw = found if isinstance(found, Flaw) else None
        good = None if isinstance(found, Flaw) else found
        if good is not None:
            shapes.see(1, partial(bytes, line))
            if not good[1] and "span" not in good[0]:
                seqs[at], withins[at] = good[0]["seq"], good[0].get("within", b"")
                continue
        is_after_good = at > first
        if bad and (is_after_good or flaw is None):
            yield Bad(tuple(bad), bad_start, start)
            bad = []
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
            bad_start = bad_start if bad else start
            _add(bad, flaw, end - start)
        first, start = at + 1, end
    if bad:
        yield Bad(tuple(bad), bad_start, start)
    yield from _run(block, seqs[first:], withins[first:], start, len(block))


def _columns(block: bytes, shapes: Shapes, is_utf8: bool) -> tuple[list[Any], list[Any], list[bytes]] | None:
    """Match the lines of a block with the known shapes.

    Returns:
        The `seq`, the `within`, and the bytes of each line. Where a shape matches, the bytes are empty; elsewhere, the
        others are. None if some names in an object are equal, so that shapes say nothing about the block.
    """
    table = shapes.table(block) if is_utf8 else None
    if table is None:
        lines = [line + b"\n" for line in block[:-1].split(b"\n")]
        return [b""] * len(lines), [b""] * len(lines), lines
    columns: Any = map(list, zip(*table.matches(block), strict=True))
    seqs, datas, withins, others = columns
    formed = list(filter(None, datas))
    for data in formed:
        names = table.names(data)
        if len(names) != len(set(names)):
            return None
    if formed:
        shapes.see(len(formed), lambda: _line(block, formed[-1]))
    return seqs, withins, others


def _tame(raw: bytes, shapes: Shapes, odd: bool, typed: bool) -> Tame | Flaw | None:
    """Return what `tame` returns, and let the flaws learn from it."""
    found = tame(raw, odd=odd, typed=typed)
    if isinstance(found, Flaw) and found.known != ("json.utf8",):
        shapes.flaws.see_text(raw, found)
    return found


def _add(bad: list[tuple[Flaw, int, int]], flaw: Flaw, size: int) -> None:
    """Add a line of that size to the runs of lines with equal flaws."""
    if bad and flaw == bad[-1][0]:
        _, lines, before = bad.pop()
        bad.append((flaw, lines + 1, before + size))
    else:
        bad.append((flaw, 1, size))


def _nothing(line: bytes) -> None:
    """Return nothing: nothing is known about a line in a block that is not UTF-8."""


def lesson(line: bytes, event: object, broken: list[Broken], is_known: bool) -> None:
    """Learn from a line of no known shape that breaks these rules of phase `schema`."""
    _shapes.flaws.see_event(line[:-1], event, broken, is_known)


def _line(block: bytes, part: bytes) -> bytes:
    """Return the first line with a part."""
    at = block.index(part)
    return block[block.rfind(b"\n", 0, at) + 1 : block.index(b"\n", at) + 1]


def each(block: bytes) -> Iterator[Clean | Whole]:
    """Yield items for the lines of a block, one by one."""
    start = 0
    while start < len(block):
        end = block.index(b"\n", start) + 1
        known = tame(block[start : end - 1])
        yield Whole(start, end) if known is None or isinstance(known, Flaw) else Clean(*known, start, end)
        start = end


def _run(block: bytes, seqs: list[Any], withins: list[Any], start: int, end: int) -> Iterator[Run]:
    """Yield the lines from `start` to `end` in as few runs as possible."""
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
