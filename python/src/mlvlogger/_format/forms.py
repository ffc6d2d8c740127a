"""The string forms of typed values: numbers, times and identifiers (specification 1.0, chapter Values)."""

from __future__ import annotations

from time import gmtime

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from datetime import date, datetime, time, timedelta
    from typing import Any

__all__ = [
    "LARGEST_INT",
    "checked",
    "date_of",
    "datetime_of",
    "decimal",
    "duration_of",
    "integer_of",
    "matched",
    "time_of",
    "time_value",
    "utc",
]

LARGEST_INT = 10**4000  # `value.int`
_PART = 10**600


# Regular expressions for `fullmatch`, by the names of chapter Values. A date that matches may still not exist.
_DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = r"([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?"
_ZONE = "(Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
_FORMS = {
    "int": "0|-?[1-9][0-9]{0,3999}",
    "datetime": f"({_DATE})T{_CLOCK}{_ZONE}",
    "datetime-local": f"({_DATE})T{_CLOCK}()",
    "date": _DATE,
    "time": f"{_CLOCK}{_ZONE}?",
    "duration": r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?",
    "bytes": "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?",
    "string": "(?:[0-9a-f]{4})*",
    "digest": "[0-9a-f]{64}",
    "id": "sha256:[0-9a-f]{64}",
    "utc": rf"{_DATE}T[0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}\.[0-9]{{6}}Z",
}
_patterns: dict[str, re.Pattern[str]] = {}


def matched(kind: str, text: Any) -> re.Match[str]:
    """Return the match of *text* with the form *kind*.

    Raises:
        ValueError: If *text* doesn't have this form.
        TypeError: If *text* isn't a string.
    """
    pattern = _patterns.get(kind)
    if pattern is None:
        import re

        pattern = _patterns[kind] = re.compile(_FORMS[kind])
    match = pattern.fullmatch(text)
    if match is None:
        raise ValueError(text)
    return match


def checked(kind: str, text: Any) -> str:
    """Return *text*, if it has the form *kind*. The exceptions are those of `matched`."""
    return matched(kind, text)[0]


def date_of(text: str) -> date:
    """Return the date of a string such as `2026-11-22`. Raises ValueError if the date doesn't exist."""
    from datetime import date

    return date.fromisoformat(text)


def time_of(clock: str, fraction: str | None, zone: str | None) -> time:
    """Return the time of the parts of a string: `18:24:00`, the digits after the point, and `Z` or `+01:00`.

    Raises:
        ValueError: If the time doesn't exist.
    """
    from datetime import time

    # time.fromisoformat of Python 3.10 accepts neither Z nor numbers of fraction digits other than 3 and 6.
    digits = ((fraction or "") + "000000")[:6]  # nanoseconds are cut, because Python's times have none
    return time.fromisoformat(f"{clock}.{digits}{'+00:00' if zone == 'Z' else zone or ''}")


def datetime_of(match: re.Match[str]) -> datetime:
    """Return the time of a match of the form `datetime` or `datetime-local`. Raises ValueError if it doesn't exist."""
    from datetime import datetime

    return datetime.combine(date_of(match[1]), time_of(*match.groups()[1:]))


def duration_of(sign: str, whole: str, fraction: str | None) -> timedelta:
    """Return the duration of the sign, the seconds and the digits after the point.

    Raises:
        OverflowError: If the duration is too long for Python.
    """
    from datetime import timedelta

    microseconds = integer_of(whole) * 1_000_000 + int(((fraction or "") + "000000")[:6])
    return timedelta(microseconds=-microseconds if sign else microseconds)


def decimal(value: int) -> str:
    """Return the decimal digits of an integer of any size."""
    # In parts: Python limits the digits of str(), and a program may set this limit to as few as 640.
    parts, rest = [], abs(value)
    while rest >= _PART:
        rest, part = divmod(rest, _PART)
        parts.append(f"{part:0600}")
    parts.append(str(rest))
    return ("-" if value < 0 else "") + "".join(reversed(parts))


def integer_of(text: str) -> int:
    """Return the integer that a string of decimal digits of any length represents."""
    value, digits = 0, text.lstrip("-")
    for start in range(0, len(digits), 600):
        part = digits[start : start + 600]
        value = value * 10 ** len(part) + int(part)
    return -value if text.startswith("-") else value


def time_value(value: datetime | date | time | timedelta) -> dict[str, Any] | None:
    """Return the typed value of a time or duration, or None if it has no form in RFC 3339."""
    from datetime import datetime, time, timedelta, timezone

    try:
        # The string of a subclass may have another form (pandas' NaT), so each string is compared with its form.
        if isinstance(value, timedelta):
            kind, text = "duration", _seconds(value)
            matched(kind, text)
        elif isinstance(value, datetime):
            offset = value.utcoffset()
            kind = "datetime-local" if offset is None else "datetime"
            if offset is not None and offset.total_seconds() % 60:
                value = value.astimezone(timezone.utc)  # RFC 3339 has no seconds in an offset; the instant is the same
            text = value.isoformat()
            datetime_of(matched(kind, text))
        elif isinstance(value, time):
            kind, text = "time", value.isoformat()
            matched(kind, text)
        else:
            kind, text = "date", value.isoformat()
            date_of(checked(kind, text))
    except (ValueError, OverflowError, TypeError):
        return None
    return {"_mlv": kind, "value": text}


def _seconds(value: timedelta) -> str:
    microseconds = (value.days * 86_400 + value.seconds) * 1_000_000 + value.microseconds
    nanoseconds = microseconds * 1000 + getattr(value, "nanoseconds", 0)  # of pandas' Timedelta
    whole, fraction = divmod(abs(nanoseconds), 1_000_000_000)
    return f"{'-' if nanoseconds < 0 else ''}{whole}" + (f".{fraction:09}".rstrip("0") if fraction else "")


def utc(seconds: int) -> str:
    """Return a time in seconds since 1970 in the form `2026-11-22T18:24:00`, limited to the years 1 to 9999."""
    at = gmtime(min(max(seconds, -62_135_596_800), 253_402_300_799))  # the years 1 to 9999 (`time.exists`)
    # Not strftime, which writes the year 68 with two digits.
    return f"{at[0]:04}-{at[1]:02}-{at[2]:02}T{at[3]:02}:{at[4]:02}:{at[5]:02}"
