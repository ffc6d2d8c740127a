"""Regular expressions for lines in the form that writers usually give them (specification 1.0, chapter Events)."""

from __future__ import annotations

__all__ = ["CLOCK", "COUNT", "NUMBER", "PLAIN_LINE", "TEXT"]

# Within these bounds, a record may have every integer, and every number is finite.
#: The seq of this event or of another one.
COUNT = "[1-9][0-9]{0,14}"

#: A JSON number.
NUMBER = r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,30}(?:[eE][-+]?[0-9]{1,2}|)|[eE][-+]?[0-9]{1,2}|)"

#: The ASCII characters of a string without escapes.
TEXT = r"[ !#-\[\]-~]*"

#: The time of day of an event.
CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{6}"

# A member's name that doesn't begin with `_m`: `_mlv` would make its object a typed value.
_NAME = rf"(?:[ !#-\[\]\^`a-~]{TEXT}|_(?:[ !#-\[\]-ln-~]{TEXT})?)?"
_VALUE = rf'(?:{NUMBER}|"{TEXT}"|true|false|null|\{{"_mlv":"float","value":"(?:nan|-?inf)"\}})'
_MEMBER = f'"{_NAME}":{_VALUE}'
# A day that exists in every year.
_DAY = "(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"

PLAIN_LINE = (
    rf'\{{"seq":{COUNT},"time":"[12][0-9]{{3}}-{_DAY}T{CLOCK}Z","event":"{TEXT}",'
    rf'"data":\{{(?:{_MEMBER}(?:,{_MEMBER})*)?\}}'
    rf'(?:,"span":"begin"|,"span":"end","begin":{COUNT},"seconds":{NUMBER})?(?:,"within":{COUNT})?\}}'
)
"""A regular expression, in the syntax that Python and RE2 share, for a whole line without its line feed.

If a line matches and no name occurs twice in its data, it is an event with flat data, and every JSON parser reads the
same members as `read.event`. Most lines that `mlvlogger` writes match. Read all others with `read.event`.
"""
