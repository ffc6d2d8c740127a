"""One record as a JSON value: the rules of phase `schema` for meta records and for events."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from mlv_validate._requirements import RULES
from mlv_validate._rules.bytes import Broken
from mlv_validate._rules.values import Quiet, exists, judge_typed, never, typed_values
from mlv_validate._schema.checks import SCHEMAS, Check, checks, constants, definition
from mlv_validate._schema.messages import message
from mlv_validate._version import SPEC_VERSION

_META = checks("meta", also=("environment.facts",))
_ADDITION = checks("meta-addition", also=("environment.facts",))
LIFECYCLE = frozenset(constants(SCHEMAS["event"]["$defs"], "event"))
_USERS = checks("event", member="event", is_=None)
_EVENT = {name: checks("event", member="event", is_=name) for name in LIFECYCLE}

# Rules that do not hold for records of a newer minor version; `judge_typed` knows those of typed values.
_KNOWN_ONLY = {"meta.unknown-members", "event.unknown-members", "event.reserved"}
_KNOWN = tuple(map(int, SPEC_VERSION.split(".")))
_VERSION_CHECK = Check("version.form", definition("version"))
_REQUIRES_CHECK = Check("meta.requires", definition("distinct-strings"))


@dataclass(frozen=True, slots=True)
class Judged:
    """The rules that a record breaks, whether one of them is a MUST, and the typed values in it."""

    broken: list[Broken]
    masked: bool
    typed: list[dict[str, Any]]


def version(value: object) -> tuple[int, int] | None:
    """A version as two numbers; None if it has not the form of one."""
    if not isinstance(value, str) or not _VERSION_CHECK.holds(value):
        return None
    major, minor = value.split(".")
    return int(major), int(minor)


@lru_cache(maxsize=64)
def known(number: tuple[int, int] | None) -> bool:
    """Whether the version is known. One that cannot be read is not."""
    return number is not None and number[0] == _KNOWN[0] and number <= _KNOWN


def refusal(members: dict[str, Any]) -> str | None:
    """Why a record or session with these members cannot be judged; None if it can."""
    number = version(members.get("mlv"))
    if number and number[0] != _KNOWN[0]:
        return f"it is of version {number[0]}.{number[1]}; known is version {_KNOWN[0]} up to {SPEC_VERSION}"
    required = members.get("requires")
    if required and isinstance(required, list) and _REQUIRES_CHECK.holds(required):
        # This version defines no features.
        return f"it requires a feature that is not known: {', '.join(map(ascii, required[:3]))[:200]}"
    return None


def judge_meta(value: object, number: int) -> Judged:
    """Judge meta record `number`."""
    is_known = known(version(value.get("mlv"))) if isinstance(value, dict) else True
    broken = _apply(_META if number == 1 else _ADDITION, value, is_known)
    typed = list[dict[str, Any]]()
    if isinstance(value, dict):
        broken += _calendar(value, "created", "meta.created", broken)
        for member in ("params", "environment", "extra", "parent"):
            typed += _inside(value.get(member), itself=member == "parent")
    return _judged(broken, typed, is_known)


def judge_event(event: object, *, is_known: bool, typed: bool, quiet: Quiet = never) -> Judged:
    """
    Judge an event of a version that is known or not.

    `typed` says that there may be typed values in it, and `quiet` of which rules the messages may be left out.
    """
    name = event.get("event") if isinstance(event, dict) else None
    list_ = _EVENT[name] if isinstance(name, str) and name in LIFECYCLE else _USERS
    broken = _apply(list_, event, is_known, quiet)
    if isinstance(event, dict):
        broken += _calendar(event, "time", "event.time", broken)
    values = _inside(event.get("data"), itself=False) if typed and isinstance(event, dict) else []
    return _judged(broken, values, is_known, quiet)


def _inside(value: object, *, itself: bool) -> list[dict[str, Any]]:
    """The typed values in a member; where it must be none `itself`, there is nothing to judge in one that is."""
    if not itself and not (isinstance(value, dict) and "_mlv" not in value):
        return []
    return list(typed_values(value))


def _apply(list_: list[Check], value: object, is_known: bool, quiet: Quiet = never) -> list[Broken]:
    broken = []
    for check in list_:
        if not check.holds(value) and (is_known or check.rule not in _KNOWN_ONLY):
            broken.append((check.rule, "" if quiet(check.rule) else message(check.rule, check.error(value), "$")))
    return broken


def _calendar(value: dict[str, Any], member: str, form: str, broken: list[Broken]) -> list[Broken]:
    time = value.get(member)
    if isinstance(time, str) and form not in dict(broken) and not exists(time):
        return [("time.exists", f"there is no day '{time[:10]}', in {member}")]
    return []


def _judged(broken: list[Broken], typed: list[dict[str, Any]], is_known: bool, quiet: Quiet = never) -> Judged:
    done = {rule for rule, _ in broken}
    for value in typed:
        for rule, text in judge_typed(value, is_known, done, quiet):
            broken.append((rule, text))
            done.add(rule)
    return Judged(broken, any(RULES[rule].level == "MUST" for rule, _ in broken), typed)
