"""Fast checks of the lines of a stream that are surely valid.

Training code writes the same few kinds of lines a million times. The result for a line is that of the full path,
`parse` and `check_event`: no broken rule, or the rules that `InvalidLines` break. An `UnknownLine` has no result. So a
line that is unknown here costs time, and never a finding; `tests/test_shapes.py` compares both paths.

A valid line is recognized in two ways; the module `invalid` recognizes invalid lines. `check_line` parses one line by
the standard parser, and checks what the rules check. From time to time a line that `check_line` accepts is a sample to
learn from: its *shape*, the same text with a pattern in place of each number, string and time, becomes a branch of a
regular expression. The regular expression then accepts a whole block of lines in one call.
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from itertools import compress, groupby
from typing import Any

from mlv_validate._fast.invalid import NOT_AN_OBJECT, BrokenRules, InvalidPatterns, check_unparsable
from mlv_validate._fast.items import InvalidLines, Item, Run, UnknownLine, ValidLine
from mlv_validate._fast.patterns import (
    COUNT,
    FLAT,
    KEY,
    NAMED,
    OPTIONAL,
    REPEATED,
    TIME,
    Shapeless,
    is_plain,
    literal,
    shape,
)
from mlv_validate._findings import Broken
from mlv_validate._rules.bytes import MAX_QUICK, NOT_JSON, UNSURE, is_odd, parse, quick
from mlv_validate._rules.values import UTC, check_typed, is_calendar_day, typed_values

__all__ = ["Shapes", "check_block", "learn_from"]

_MAX_BRANCH = 2000
_MAX_BRANCHES = 32
_MAX_SEEN_ONCE = 1024
_SAMPLE_EVERY = 64  # only one line in so many that no shape accepts is a sample, so that learning costs little

# --- one line ---

_NAME = re.compile(r"[^/\x00-\x1f\x7f-\x9f]++(?:/[^/\x00-\x1f\x7f-\x9f]++)*")


ValidEvent = tuple[dict[str, Any], list[dict[str, Any]]]
"""A valid event, and those of its typed values that must be checked as references."""


def check_line(raw: bytes, *, odd: bool = True, typed: bool = True) -> ValidEvent | BrokenRules | None:
    """Parse a line, and return the event and its references if it is surely a valid event of the user.

    Args:
        raw: The line, without its LF.
        odd: Whether the line may be odd, see `is_odd`.
        typed: Whether there may be a typed value in the line.

    Returns:
        The event and its typed values to check as references; or the rules of the phases `bytes` and `json` that the
        line surely breaks; or None if the full path must check the line.
    """
    event = quick(raw) if len(raw) <= MAX_QUICK and not (odd and is_odd(raw)) else UNSURE
    if event is NOT_JSON:
        return check_unparsable(raw)
    if event is UNSURE:
        parsed = parse(raw, line=True, tried=True)
        if parsed.broken:
            rules = tuple(rule for rule, _ in parsed.broken)
            return BrokenRules(rules, rules, True, True)
        event = parsed.value
    if type(event) is not dict:
        return NOT_AN_OBJECT
    if not _is_valid(event):
        return None
    values: list[dict[str, Any]] = []
    if typed and (b"_mlv" in raw or b"\\u" in raw):
        for value in typed_values(event["data"]):
            if not is_plain(value):
                if check_typed(value, True):
                    return None
                values.append(value)
    return event, values


def _is_valid(event: dict[str, Any]) -> bool:
    """Return whether an event is one of the user, and surely valid by phase `schema`, apart from its `data`."""
    seq, time, name, data = event.get("seq"), event.get("time"), event.get("event"), event.get("data")
    if type(seq) is not int or type(time) is not str or type(name) is not str or type(data) is not dict:
        return False
    if seq < 1 or "_mlv" in data or not _is_name(name):
        return False
    if not UTC.fullmatch(time) or not is_calendar_day(time):
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

    `find_lines` returns `seq`, `data`, `within` and the line itself for each line of a block. For a line of a known
    shape, the last is empty, and so is `data`, unless the shape is that of any event without nested data: then the
    caller must check that the names in `data` differ. For any other line, everything is empty but the line.
    """

    def __init__(self, head: str, comma: str, colon: str) -> None:
        self.head = re.compile(head.encode())
        self.find_names = re.compile(f'"([^"]*+)"{colon}{FLAT}(?:{comma})?'.encode()).findall
        flat = f"{KEY}{colon}{FLAT}"
        data = rf"(\{{(?:{flat}(?:{comma}{flat}){REPEATED}){OPTIONAL}\}})"
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
        self.find_lines = re.compile(pattern.encode()).findall


class Shapes:
    """The learned shapes. They apply to every stream, so that many experiments of one writer are learned once."""

    def __init__(self) -> None:
        self._tables: dict[str, _Table] = {}  # at most four: two orders of `seq` and `time`, with blanks and without
        self._seen_once: set[str] = set()
        self._lines = 0  # since the last sample
        self.invalid = InvalidPatterns()

    def table(self, block: bytes) -> "_Table | None":
        """Return the table for the first line of a block, else any table; None if there is no table."""
        tables = tuple(self._tables.values())
        return next((table for table in tables if table.head.match(block)), next(iter(tables), None))

    def offer_sample(self, lines: int, sample: Callable[[], bytes]) -> None:
        """Learn from valid lines of no known shape.

        Args:
            lines: The number of the lines.
            sample: Returns one of them.
        """
        self._lines += lines
        if self._lines >= _SAMPLE_EVERY:
            self._lines = 0
            self._learn(sample()[:-1])

    def _learn(self, raw: bytes) -> None:
        """Learn the shape of a line if it occurs a second time."""
        found = check_line(raw) if len(raw) <= _MAX_BRANCH else None
        if found is None or isinstance(found, BrokenRules):
            return
        comma, colon = (", ", ": ") if b'": ' in raw else (",", ":")
        try:
            head, branch = _head_and_branch(found[0], comma, colon)
        except Shapeless:
            return
        table = self._tables.get(head)
        if table is None:
            if not re.match(head.encode(), raw):
                return
            table = self._tables[head] = _Table(head, comma, colon)
        if branch not in self._seen_once:
            if len(self._seen_once) >= _MAX_SEEN_ONCE:
                self._seen_once.clear()
            self._seen_once.add(branch)
        elif len(branch) <= _MAX_BRANCH and re.match(f"{head}{branch}".encode(), raw):
            table.learn(branch)


def _head_and_branch(event: dict[str, Any], comma: str, colon: str) -> tuple[str, str]:
    """Return the pattern of a line up to the name of the event, and the pattern from there to the end of `data`."""
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


def check_block(block: bytes, shapes: Shapes = _shapes) -> Iterator[Item]:
    """Yield the results for the lines of a block, which ends with an LF, in their order and without a gap."""
    is_utf8 = _is_utf8(block)
    columns = _match_shapes(block, shapes, is_utf8)
    if columns is None:
        yield from _check_each_line(block)
        return
    seqs, withins, lines = columns
    first = start = 0  # of the run: the index of its first line, and the offset
    unmatched = list(compress(range(len(lines)), lines))
    are_few = len(unmatched) < len(lines) // 8  # so few that checking each costs less than checking the block
    odd = are_few or is_odd(block)
    may_be_typed = odd or b"_mlv" in block
    check_invalid = shapes.invalid.check if is_utf8 else _unknown
    runs: list[tuple[BrokenRules, int, int]] = []  # of invalid lines just before `start`, see `InvalidLines`
    invalid_start = 0
    for at in unmatched:
        line = lines[at]
        found: ValidEvent | BrokenRules | None = check_invalid(line)
        if found is None:
            found = _check_unmatched(line[:-1], shapes, odd, may_be_typed)
        broken = found if isinstance(found, BrokenRules) else None
        valid = None if isinstance(found, BrokenRules) else found
        if valid is not None:
            shapes.offer_sample(1, partial(bytes, line))
            if not valid[1] and "span" not in valid[0]:
                seqs[at], withins[at] = valid[0]["seq"], valid[0].get("within", b"")
                continue
        is_after_valid = at > first
        if runs and (is_after_valid or broken is None):
            yield InvalidLines(tuple(runs), invalid_start, start)
            runs = []
        if is_after_valid:
            # The next line of these bytes is this one: an equal one before it would have stopped here as well.
            begin = start if block.startswith(line, start) else block.index(b"\n" + line, start) + 1
            yield from _runs(block, seqs[first:at], withins[first:at], start, begin)
            start = begin
        end = start + len(line)
        if valid is not None:
            yield ValidLine(*valid, start, end)
        elif broken is None:
            yield UnknownLine(start, end)
        else:
            invalid_start = invalid_start if runs else start
            _append(runs, broken, end - start)
        first, start = at + 1, end
    if runs:
        yield InvalidLines(tuple(runs), invalid_start, start)
    yield from _runs(block, seqs[first:], withins[first:], start, len(block))


def _match_shapes(block: bytes, shapes: Shapes, is_utf8: bool) -> tuple[list[Any], list[Any], list[bytes]] | None:
    """Match the lines of a block with the known shapes.

    Returns:
        The `seq`, the `within`, and the bytes of each line. Where a shape matches, the bytes are empty; elsewhere, the
        others are. None if some names in an object are equal, so that shapes say nothing about the block.
    """
    table = shapes.table(block) if is_utf8 else None
    if table is None:
        lines = [line + b"\n" for line in block[:-1].split(b"\n")]
        return [b""] * len(lines), [b""] * len(lines), lines
    columns: Any = map(list, zip(*table.find_lines(block), strict=True))
    seqs, datas, withins, lines = columns
    formed = list(filter(None, datas))
    for data in formed:
        names = table.find_names(data)
        if len(names) != len(set(names)):
            return None
    if formed:
        shapes.offer_sample(len(formed), lambda: _line_with(block, formed[-1]))
    return seqs, withins, lines


def _check_unmatched(raw: bytes, shapes: Shapes, odd: bool, typed: bool) -> ValidEvent | BrokenRules | None:
    """Return what `check_line` returns, and learn from a line that breaks rules."""
    found = check_line(raw, odd=odd, typed=typed)
    if isinstance(found, BrokenRules) and found.if_known != ("json.utf8",):
        shapes.invalid.learn_from_text(raw, found)
    return found


def _append(runs: list[tuple[BrokenRules, int, int]], broken: BrokenRules, size: int) -> None:
    """Append a line of that size to the runs of lines that break the same rules."""
    if runs and broken == runs[-1][0]:
        _, lines, before = runs.pop()
        runs.append((broken, lines + 1, before + size))
    else:
        runs.append((broken, 1, size))


def _unknown(line: bytes) -> None:
    """Return None: no pattern of invalid lines matches in a block that isn't UTF-8."""


def learn_from(line: bytes, event: object, broken: list[Broken], is_known: bool) -> None:
    """Learn from a line that the full path checked.

    Args:
        line: The line, with its LF.
        event: Its JSON value.
        broken: The rules of phase `schema` that it breaks.
        is_known: Whether its version is known.
    """
    _shapes.invalid.learn_from_event(line[:-1], event, broken, is_known)


def _line_with(block: bytes, part: bytes) -> bytes:
    """Return the first line that contains `part`."""
    at = block.index(part)
    return block[block.rfind(b"\n", 0, at) + 1 : block.index(b"\n", at) + 1]


def _check_each_line(block: bytes) -> Iterator[ValidLine | UnknownLine]:
    """Yield the results for the lines of a block, without shapes."""
    start = 0
    while start < len(block):
        end = block.index(b"\n", start) + 1
        found = check_line(block[start : end - 1])
        if found is None or isinstance(found, BrokenRules):
            yield UnknownLine(start, end)
        else:
            yield ValidLine(*found, start, end)
        start = end


def _runs(block: bytes, seqs: list[Any], withins: list[Any], start: int, end: int) -> Iterator[Run]:
    """Yield the valid lines from `start` to `end` in as few runs as possible."""
    if len(seqs) == 1:
        yield Run(int(seqs[0]), 1, ((int(withins[0] or 0), 1),), start, start, end)
        return
    numbers = list(map(int, seqs))
    if numbers == list(range(numbers[0], numbers[0] + len(numbers)) if numbers else []):
        if numbers:
            last = block.rfind(b"\n", start, end - 1) + 1
            yield Run(numbers[0], len(numbers), _counted(withins), start, last or start, end)
        return
    first, last = 0, start  # of the run: the index of its first line; the offset of the line
    for at, number in enumerate(numbers, 1):
        following = block.index(b"\n", last) + 1
        if at == len(numbers) or numbers[at] != number + 1:
            yield Run(numbers[first], at - first, _counted(withins[first:at]), start, last, following)
            first, start = at, following
        last = following


def _counted(withins: list[Any]) -> tuple[tuple[int, int], ...]:
    """Return each `within`, and how many lines in a row have it."""
    if len(set(withins)) == 1:
        return ((int(withins[0] or 0), len(withins)),)
    return tuple((int(within or 0), len(list(lines))) for within, lines in groupby(withins))
