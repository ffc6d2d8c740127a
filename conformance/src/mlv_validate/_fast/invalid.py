"""Fast checks of lines that surely break certain rules.

A program that writes an invalid line writes a million of them. A report lists the first thousand, and counts the
others: for these it is enough to know which rules they break. As in `shapes`, a line that matches no learned pattern
costs time, and never a finding: the full path checks the line, and a pattern is learned from it.
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

__all__ = ["NOT_AN_OBJECT", "BrokenRules", "InvalidPatterns", "check_unparsable"]

_UNKNOWN_MEMBERS = "event.unknown-members"
_MEMBERS = ("seq", "time", "event", "data", "span", "begin", "seconds", "within")
_OTHER_NAME = rf'"(?!(?:{"|".join(_MEMBERS)})"){STRING[1:]}'
_NOT_A_TIME = '"(?!' + UTC.pattern.removeprefix("^").removesuffix("$") + '")' + STRING[1:]
_MAX_BRANCHES = 48
_MAX_LINE = 2000
_MAX_SEEN_ONCE = 1024
_SAMPLE_EVERY = 32  # only one line in so many is a sample to learn from, so that learning costs little
_MAX_MISSES = 64  # after so many lines in a row that no pattern matches, most lines are not matched for a while

Rules = tuple[str, ...]
Match = Callable[[bytes], re.Match[bytes] | None]

_Branch = tuple[str, ...]
"""The patterns of the parts of a line: of its members, if it is an object."""

_Tree = dict[str, "_Tree"]
"""The branches, those with equal first parts together, so that each part of a line is matched once."""


class BrokenRules(NamedTuple):
    """The rules of the phases `bytes`, `json` and `schema` that a line breaks, for which it is masked.

    `if_known` are those of a line whose version is known, `if_unknown` those of a line whose version isn't; None if
    they must still be found. The other two say what the line may have been: an `mlv/start`, or an event that names a
    metadata record.
    """

    if_known: Rules | None
    if_unknown: Rules | None
    may_start: bool
    may_name_record: bool


def may_start(name: str | None) -> bool:
    """Return whether a masked line may have begun a session; `name` is that of its event, None if it isn't known."""
    return name is None or name == "mlv/start"


def may_name_record(name: str | None) -> bool:
    """Return whether a masked line may have named a metadata record; `name` is as for `may_start`."""
    return may_start(name) or name == "mlv/record"


def _in_any_version(*rules: str) -> BrokenRules:
    return BrokenRules(rules, rules, True, True)


_NOT_JSON = _in_any_version("json.syntax")
NOT_AN_OBJECT = _in_any_version("event.object")


def check_unparsable(raw: bytes) -> BrokenRules | None:
    """Return the rules that a line breaks in which `quick` found an error.

    Args:
        raw: The line, without its LF, of UTF-8.

    Returns:
        The rules of the phases `bytes` and `json`; None if there are none, because blanks before a value are allowed.
    """
    if raw[:1] in _BLANK_OR_BOM or b"\r" in raw or too_deep(raw):  # rules that are checked before the syntax
        broken = parse(raw, line=True).broken
        return _in_any_version(*(rule for rule, _ in broken)) if broken else None
    return _NOT_JSON


_BLANK_OR_BOM = (b"", b" ", b"\t", b"\xef")  # the beginning of a line that may be blank or have a byte order mark

# What the standard parser may accept begins with one of the first, and if that is a brace, ends with one of the second.
_JSON_BEGINS = frozenset(b'{["-0123456789tfnNI \t\n\r\xef')
_BRACE = 0x7B
_OBJECT_ENDS = frozenset(b"} \t\n\r")


class InvalidPatterns:
    """The learned patterns of invalid lines, with the rules that these lines break. They apply to every stream."""

    def __init__(self) -> None:
        self._seen_once: set[_Branch] = set()
        self._lines = 0  # since the last sample
        self._branches: dict[_Branch, BrokenRules] = {}
        self._groups: list[_Branch] = []  # the branches, in the order of their groups in the pattern
        self._rules: list[BrokenRules] = []  # of the groups
        self._match: Match = re.compile(b"(?!)").fullmatch
        self._misses = 0  # in a row; while the number is negative, lines are not matched

    def check(self, line: bytes) -> BrokenRules | None:
        """Return the rules that a line of UTF-8, with its LF, surely breaks; None if that isn't known."""
        if line[0] not in _JSON_BEGINS or line[0] == _BRACE and line[-2] not in _OBJECT_ENDS:
            return check_unparsable(line[:-1])
        self._misses += 1
        if self._misses <= 0:
            return None
        if self._misses > _MAX_MISSES:
            self._misses = -16 * _MAX_MISSES
        match = self._match(line)
        if match is None:
            return None
        self._misses = 0
        return self._rules[match.lastindex - 1]  # type: ignore[operator]  # each branch ends with a group

    def learn_from_text(self, raw: bytes, broken: BrokenRules) -> None:
        """Learn from a line of UTF-8, without its LF, that breaks rules of phase `json`, or isn't an object."""
        if self._is_sample(raw):
            self._learn((_text_pattern(raw.decode()), ""), raw, broken)

    def learn_from_event(self, raw: bytes, event: object, broken: list[Broken], is_known: bool) -> None:
        """Learn from a line, without its LF, that breaks rules of phase `schema`, or has an unknown version.

        Args:
            raw: The line.
            event: Its JSON value.
            broken: The rules of phase `schema` that it breaks.
            is_known: Whether its version is known.
        """
        if type(event) is not dict or any(RULES[rule].level != "MUST" for rule, _ in broken):
            return
        name = event.get("event")
        is_reserved = type(name) is str and name.startswith("mlv")
        # Of the rules that the line breaks, only that of further members depends on the version.
        is_plain = not is_reserved and b"_mlv" not in raw
        is_undefined = is_reserved and name not in LIFECYCLE
        if not broken:  # the line is valid in an unknown version: learn only what version 1.0 does not define
            has_undefined = is_undefined and b"_mlv" not in raw or is_plain and not event.keys() <= {*_MEMBERS}
            if not has_undefined:
                return
        if not self._is_sample(raw):
            return
        rules = tuple(rule for rule, _ in broken)
        known, unknown = (rules, None) if is_known else (None, rules)
        if is_plain:
            unknown = tuple(rule for rule in rules if rule != _UNKNOWN_MEMBERS)
            known = unknown if event.keys() <= {*_MEMBERS} else (*unknown, _UNKNOWN_MEMBERS)
        comma, colon = (", ", ": ") if b'": ' in raw else (",", ":")
        try:
            branch = _event_branch(event, comma, colon, is_exact=is_reserved and not is_undefined)
        except Shapeless:
            return
        known_name = name if type(name) is str else None
        self._learn(branch, raw, BrokenRules(known, unknown, may_start(known_name), may_name_record(known_name)))

    def _is_sample(self, raw: bytes) -> bool:
        """Count a line, and return whether it is a sample to learn from."""
        self._lines += 1
        if self._lines < _SAMPLE_EVERY or len(raw) > _MAX_LINE:
            return False
        self._lines = 0
        return True

    def _learn(self, branch: _Branch, raw: bytes, broken: BrokenRules) -> None:
        """Learn a branch that occurs a second time, or further rules of a learned one."""
        if not re.fullmatch("".join(branch).encode(), raw):
            return  # such as text with a control character in a string, which no pattern matches
        learned = self._branches.get(branch)
        if learned is not None:
            if_known = learned.if_known if broken.if_known is None else broken.if_known
            if_unknown = learned.if_unknown if broken.if_unknown is None else broken.if_unknown
            self._branches[branch] = learned._replace(if_known=if_known, if_unknown=if_unknown)
            self._rules = [self._branches[group] for group in self._groups]
        elif branch not in self._seen_once:
            if len(self._seen_once) >= _MAX_SEEN_ONCE:
                self._seen_once.clear()
            self._seen_once.add(branch)
        else:
            self._seen_once.remove(branch)
            self._misses = 0
            if len(self._branches) == _MAX_BRANCHES:
                del self._branches[next(iter(self._branches))]
            self._branches[branch] = broken
            self._compile()

    def _compile(self) -> None:
        tree: _Tree = {}
        for branch in self._branches:
            node = tree
            for part in branch:
                node = node.setdefault(part, {})
        self._groups = []
        self._match = re.compile(f"{_tree_pattern(tree, (), self._groups)}\n".encode()).fullmatch
        self._rules = [self._branches[group] for group in self._groups]


def _tree_pattern(tree: _Tree, before: _Branch, groups: list[_Branch]) -> str:
    """Return the pattern of a tree; each branch ends with an empty group, and is added to `groups` in their order."""
    parts = []
    for part, rest in tree.items():
        branch = (*before, part)
        if not rest:
            groups.append(branch)
        parts.append(part + (_tree_pattern(rest, branch, groups) if rest else "()"))
    return f"(?:{'|'.join(parts)})"


_TOKEN = re.compile(r'(?P<string>"(?:[^"\\]|\\.)*")(?P<name>\s*:)?|(?P<number>[-0-9][-+.0-9eE]*)|.', re.DOTALL)
_HUGE = "-?[1-9][0-9]{16,299}"  # surely beyond the range of integers, and finite


def _text_pattern(text: str) -> str:
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


def _event_branch(event: dict[str, Any], comma: str, colon: str, *, is_exact: bool) -> _Branch:
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
                pattern = TIME if re.fullmatch(TIME, f'"{value}"') else day if UTC.fullmatch(value) else _NOT_A_TIME
            case "event" | "span", str():
                pattern = literal(value)
            case "data", _ if is_exact:
                pattern = exact(value, comma, colon)
            case "data", dict():
                pattern = (
                    exact(value, comma, colon) if "_mlv" in value else shape(value, comma, colon, typed_exactly=True)
                )
            case _, None | True | False:
                pattern = json.dumps(value)
            case _, int() | float():
                pattern = NUMBER
            case _, str():
                pattern = STRING
            case _:
                pattern = shape(value, comma, colon, typed_exactly=True)
        # One undefined name may be any other; two must be different, which a pattern cannot check.
        members.append((_OTHER_NAME if others == [name] else literal(name)) + colon + pattern)
    return r"\{", *(member + comma for member in members[:-1]), *members[-1:], r"\}"
