"""Fast checks of lines that surely break certain rules.

A program that writes a wrong line writes a million of them. The first thousand are reported in full, the others are
only counted: so it is enough to know which rules they break. As in `shapes`, a line that is unknown here costs time,
and never a finding: the full path checks the line, and the flaws learn from it.
"""

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from mlv_validate._fast.patterns import CLOCK, COUNT, NUMBER, STRING, TIME, Shapeless, exact, literal, shape
from mlv_validate._findings import Broken
from mlv_validate._requirements import RULES
from mlv_validate._rules.bytes import parse, too_deep
from mlv_validate._rules.events import LIFECYCLE
from mlv_validate._rules.values import UTC

__all__ = ["NO_OBJECT", "UNKNOWN", "Flaw", "Flaws", "flaw", "syntax"]

UNKNOWN = "event.unknown-members"
_MEMBERS = ("seq", "time", "event", "data", "span", "begin", "seconds", "within")
_OTHER = rf'"(?!(?:{"|".join(_MEMBERS)})"){STRING[1:]}'
_NO_TIME = '"(?!' + UTC.pattern.removeprefix("^").removesuffix(r"$(?!\n)") + '")' + STRING[1:]
_MAX_BRANCHES = 48
_MAX_LINE = 2000
_LESSON = 32
_MISSES = 64  # after so many lines in a row of no known kind, only some are checked for a while

Rules = tuple[str, ...]
Match = Callable[[bytes], re.Match[bytes] | None]

_Branch = tuple[str, ...]
"""The patterns of the parts of a line: of its members, if it is an object."""

_Tree = dict[str, "_Tree"]
"""The branches, those with equal first parts together, so that each part of a line is matched once."""


class Flaw(NamedTuple):
    """The rules of the phases `bytes`, `json` and `schema` that a line breaks, for which it is masked.

    They are given for a line whose version is `known` and for one of an `unknown` version; None says nothing.
    `may_start` says that the line may have been an `mlv/start`.
    """

    known: Rules | None
    unknown: Rules | None
    may_start: bool


def _always(*rules: str) -> Flaw:
    return Flaw(rules, rules, True)


_SYNTAX = _always("json.syntax")
NO_OBJECT = _always("event.object")


def flaw(raw: bytes) -> Flaw | None:
    """Return the rules of the phases `bytes` and `json` that a line, without its LF, breaks; None if it breaks none."""
    broken = parse(raw, line=True).broken
    return _always(*(rule for rule, _ in broken)) if broken else None


def syntax(raw: bytes) -> Flaw | None:
    """Return what `flaw` returns, for a line of UTF-8 in which the standard parser found an error."""
    if raw[:1] in _BEFORE or b"\r" in raw or too_deep(raw):
        return flaw(raw)
    return _SYNTAX


_BEFORE = (b"", b" ", b"\t", b"\xef")  # the beginning of a line that may be blank or have a byte order mark

# What the standard parser may accept begins with one of the first, and if that is a brace, ends with one of the second.
_BEGINS = frozenset(b'{["-0123456789tfnNI \t\n\r\xef')
_BRACE = 0x7B
_ENDS = frozenset(b"} \t\n\r")


class Flaws:
    """The learned flaws of lines, by the phases `json` and `schema`. They apply to every stream."""

    def __init__(self) -> None:
        self._met: set[_Branch] = set()
        self._lines = 0
        self._branches: dict[_Branch, Flaw] = {}
        self._groups: list[_Branch] = []  # in the order of the groups of the pattern of all
        self._flaws: list[Flaw] = []  # those of the groups
        self._all: Match = re.compile(b"(?!)").fullmatch
        self._misses = 0  # in a row; while it is negative, `find` returns at once

    def find(self, line: bytes) -> Flaw | None:
        """Return the flaw of a line of UTF-8, with its LF, if its ends or a known pattern show it."""
        if line[0] not in _BEGINS or line[0] == _BRACE and line[-2] not in _ENDS:
            return syntax(line[:-1])
        self._misses += 1
        if self._misses <= 0:
            return None
        if self._misses > _MISSES:
            self._misses = -16 * _MISSES
        match = self._all(line)
        if match is None:
            return None
        self._misses = 0
        return self._flaws[match.lastindex - 1]  # type: ignore[operator]  # each branch ends with a group

    def see_text(self, raw: bytes, found: Flaw) -> None:
        """Take note of a line of UTF-8, without its LF, that has findings by its text alone, or isn't an object."""
        if self._is_lesson(raw):
            self._learn((_text(raw.decode()), ""), raw, found)

    def see_event(self, raw: bytes, event: object, broken: list[Broken], is_known: bool) -> None:
        """Take note of a line, without its LF, that has these findings of phase `schema`, by what is known of it."""
        if type(event) is not dict or any(RULES[rule].level != "MUST" for rule, _ in broken):
            return
        name = event.get("event")
        is_reserved = type(name) is str and name.startswith("mlv")
        is_plain = not is_reserved and b"_mlv" not in raw  # nothing but further members depends on its version
        is_undefined = is_reserved and name not in LIFECYCLE
        if not broken:  # it is a good line of an unknown version, with what version 1.0 does not define
            newer = is_undefined and b"_mlv" not in raw or is_plain and not event.keys() <= {*_MEMBERS}
            if not newer:
                return
        if not self._is_lesson(raw):
            return
        rules = tuple(rule for rule, _ in broken)
        known, unknown = (rules, None) if is_known else (None, rules)
        if is_plain:
            unknown = tuple(rule for rule in rules if rule != UNKNOWN)
            known = unknown if event.keys() <= {*_MEMBERS} else (*unknown, UNKNOWN)
        comma, colon = (", ", ": ") if b'": ' in raw else (",", ":")
        try:
            branch = _branch(event, comma, colon, is_exact=is_reserved and not is_undefined)
        except Shapeless:
            return
        self._learn(branch, raw, Flaw(known, unknown, type(name) is not str or name == "mlv/start"))

    def _is_lesson(self, raw: bytes) -> bool:
        """Return whether to learn from a line: only one in so many is a sample, so that learning costs little."""
        self._lines += 1
        if self._lines < _LESSON or len(raw) > _MAX_LINE:
            return False
        self._lines = 0
        return True

    def _learn(self, branch: _Branch, raw: bytes, found: Flaw) -> None:
        """Learn a branch that occurs a second time, or more about a learned one."""
        flaw = self._branches.get(branch)
        if flaw is not None:
            known = flaw.known if found.known is None else found.known
            unknown = flaw.unknown if found.unknown is None else found.unknown
            self._branches[branch] = Flaw(known, unknown, flaw.may_start)
            self._flaws = [self._branches[each] for each in self._groups]
        elif branch not in self._met:
            if len(self._met) >= 1024:
                self._met.clear()
            self._met.add(branch)
        elif re.fullmatch("".join(branch).encode(), raw):
            self._met.remove(branch)
            self._misses = 0
            if len(self._branches) == _MAX_BRANCHES:
                del self._branches[next(iter(self._branches))]
            self._branches[branch] = found
            self._compile()

    def _compile(self) -> None:
        tree: _Tree = {}
        for branch in self._branches:
            node = tree
            for part in branch:
                node = node.setdefault(part, {})
        self._groups = []
        self._all = re.compile(f"{_pattern(tree, (), self._groups)}\n".encode()).fullmatch
        self._flaws = [self._branches[each] for each in self._groups]


def _pattern(tree: _Tree, before: _Branch, groups: list[_Branch]) -> str:
    """Return the pattern of a tree; each branch ends with an empty group, and is added to `groups` in their order."""
    parts = []
    for part, rest in tree.items():
        branch = (*before, part)
        if not rest:
            groups.append(branch)
        parts.append(part + (_pattern(rest, branch, groups) if rest else "()"))
    return f"(?:{'|'.join(parts)})"


_TOKEN = re.compile(r'(?P<string>"(?:[^"\\]|\\.)*")(?P<name>\s*:)?|(?P<number>[-0-9][-+.0-9eE]*)|.', re.DOTALL)
_HUGE = "-?[1-9][0-9]{16,299}"  # surely beyond the range of integers, and finite


def _text(text: str) -> str:
    """Return the pattern of lines with the same names and other values, which break the same rules of phase `json`."""
    parts = []
    for match in _TOKEN.finditer(text):
        if match["number"]:
            forms = (form for form in (NUMBER, _HUGE) if re.fullmatch(form, match[0]))
            parts.append(next(forms, re.escape(match[0])))
        else:
            is_plain = match["string"] and not match["name"] and "\\" not in match[0]
            parts.append(STRING if is_plain else re.escape(match[0]))
    return "".join(parts)


def _branch(event: dict[str, Any], comma: str, colon: str, *, is_exact: bool) -> _Branch:
    """Return the patterns of lines that break the same rules.

    Args:
        event: The event of a line.
        comma: The separator of values.
        colon: The separator of a name and a value.
        is_exact: Whether `data` is matched as it is, as in a lifecycle event, whose schema depends on it.
    """
    others = [name for name in event if name not in _MEMBERS]
    members = []
    for name, value in event.items():
        match name, value:
            case "seq" | "begin" | "within", int() if re.fullmatch(COUNT, str(value)) and type(value) is int:
                pattern = COUNT
            case "seq" | "begin" | "within" | "seconds", int() | float():
                pattern = re.escape(json.dumps(value))
            case "time", str():
                day = rf'"{re.escape(value[:10])}T{CLOCK}\.[0-9]{{6}}Z"'  # one that does not exist, or is rare
                pattern = TIME if re.fullmatch(TIME, f'"{value}"') else day if UTC.search(value) else _NO_TIME
            case "event" | "span", str():
                pattern = literal(value)
            case "data", _ if is_exact:
                pattern = exact(value, comma, colon)
            case "data", dict():
                pattern = exact(value, comma, colon) if "_mlv" in value else shape(value, comma, colon, other=True)
            case _, None | True | False:
                pattern = json.dumps(value)
            case _, int() | float():
                pattern = NUMBER
            case _, str():
                pattern = STRING
            case _:
                pattern = shape(value, comma, colon, other=True)
        # One undefined name may be any other; two must be different, which a pattern cannot check.
        members.append((_OTHER if others == [name] else literal(name)) + colon + pattern)
    return r"\{", *(member + comma for member in members[:-1]), *members[-1:], r"\}"
