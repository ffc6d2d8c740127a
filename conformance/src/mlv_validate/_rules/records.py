"""Checks that the rules of phase `schema` for metadata records and for events have in common."""

from dataclasses import dataclass
from typing import Any

from mlv_validate._findings import Broken
from mlv_validate._requirements import RULES
from mlv_validate._rules.values import Quiet, check_typed, is_calendar_day, never, typed_values
from mlv_validate._schema.checks import Check
from mlv_validate._schema.messages import message

# Rules that don't hold for records of a newer minor version; `check_typed` has those of typed values.
_KNOWN_ONLY = {"meta.unknown-members", "event.unknown-members", "event.reserved"}


@dataclass(frozen=True, slots=True)
class CheckedRecord:
    """The rules that a record breaks, whether one of them is a MUST, and the typed values in the record."""

    broken: list[Broken]
    masked: bool
    typed: list[dict[str, Any]]


def apply_checks(checks: list[Check], value: object, is_known: bool, quiet: Quiet = never) -> list[Broken]:
    """Return the rules that a value breaks.

    Args:
        checks: The checks of the rules.
        value: The value.
        is_known: Whether the version of its record is known.
        quiet: Returns whether the message of a rule may be left out; by default, no message may.
    """
    broken = []
    for check in checks:
        if not check.holds(value) and (is_known or check.rule not in _KNOWN_ONLY):
            broken.append((check.rule, "" if quiet(check.rule) else message(check.rule, check.error(value), "$")))
    return broken


def check_calendar(value: dict[str, Any], member: str, form: str, broken: list[Broken]) -> list[Broken]:
    """Check that the day of a time exists, unless the time already breaks the rule `form`."""
    time = value.get(member)
    if isinstance(time, str) and form not in dict(broken) and not is_calendar_day(time):
        return [("time.exists", f"there is no day '{time[:10]}', in {member}")]
    return []


def typed_values_in(value: object, *, itself: bool) -> list[dict[str, Any]]:
    """Return the typed values in a member of a record.

    Args:
        value: The member.
        itself: Whether it may be a typed value. If it must not be one and is one, there are none.
    """
    if not itself and not (isinstance(value, dict) and "_mlv" not in value):
        return []
    return list(typed_values(value))


def check_typed_values(
    broken: list[Broken], typed: list[dict[str, Any]], is_known: bool, quiet: Quiet = never
) -> CheckedRecord:
    """Check the typed values of a record, and return the result for the record; each rule is reported once.

    Args:
        broken: The rules that the record breaks by itself.
        typed: Its typed values.
        is_known: Whether its version is known.
        quiet: Returns whether the message of a rule may be left out; by default, no message may.
    """
    done = {rule for rule, _ in broken}
    for value in typed:
        for rule, text in check_typed(value, is_known, done, quiet):
            broken.append((rule, text))
            done.add(rule)
    return CheckedRecord(broken, any(RULES[rule].level == "MUST" for rule, _ in broken), typed)
