"""The chapter Versions: which records this version of the specification lets a validator check."""

from functools import lru_cache
from typing import Any

from mlv_validate._schema.checks import Check, definition
from mlv_validate._version import SPEC_VERSION

Version = tuple[int, int]

_KNOWN: Version = (int(SPEC_VERSION.partition(".")[0]), int(SPEC_VERSION.partition(".")[2]))
_VERSION_CHECK = Check("version.form", definition("version"))
_REQUIRES_CHECKS = (
    Check("meta.requires", definition("distinct-strings")),
    Check("requires.names", definition("feature-names")),
)


def parse_version(value: object) -> Version | None:
    """Return a version string as two numbers; None if the value isn't one."""
    if not isinstance(value, str) or not _VERSION_CHECK.holds(value):
        return None
    major, minor = value.split(".")
    return int(major), int(minor)


@lru_cache(maxsize=64)
def is_known(number: Version | None) -> bool:
    """Return whether the version is known. A version that can't be read isn't."""
    return number is not None and number[0] == _KNOWN[0] and number <= _KNOWN


def why_refused(members: dict[str, Any]) -> str | None:
    """Return why a record or session with these members can't be checked; None if it can."""
    number = parse_version(members.get("mlv"))
    if number and number[0] != _KNOWN[0]:
        return f"it is of version {number[0]}.{number[1]}; known is version {_KNOWN[0]} up to {SPEC_VERSION}"
    required = members.get("requires")
    if required and isinstance(required, list) and all(check.holds(required) for check in _REQUIRES_CHECKS):
        # This version defines no features.
        return f"it requires a feature that is not known: {', '.join(map(ascii, required[:3]))[:200]}"
    return None
