"""The rules of the format as expressions of SQL, for the lines that DuckDB reads itself.

They give what `Event.is_lifecycle`, `Event.step` and `Event.metrics` of `mlvlogger` give; a test compares them.
"""

from __future__ import annotations

from mlvlogger import Experiment

__all__ = ["IS_DEFAULT_STREAM", "IS_LIFECYCLE", "STEP", "TO", "integer", "is_rounded", "number", "unescaped"]

#: Whether a row of `events` is a lifecycle event.
IS_LIFECYCLE = "starts_with(event, 'mlv/')"

#: Whether a row of `events` or `metrics` is of the default stream.
IS_DEFAULT_STREAM = f"stream = '{Experiment.default_stream}'"

# Whether the member `value` of a typed integer has the form of one.
_IS_TYPED_INT = """regexp_full_match(CAST(json_extract({}, '$.value') AS VARCHAR), '"(0|-?[1-9][0-9]*)"')"""
_IS_TYPED_FLOAT = """CAST(json_extract({}, '$.value') AS VARCHAR) IN ('"nan"', '"inf"', '"-inf"')"""


def integer(text: str) -> str:
    """Return the integer that a member is, spelled as a number (`13.0` is 13) or as a typed value, or NULL.

    CAST also accepts strings, and rounds 1.5: neither is an integer.

    Args:
        text: An expression for the JSON text of the member.
    """
    return f"""CASE
        WHEN {text} BETWEEN '-' AND ':' THEN CASE
            WHEN NOT regexp_matches({text}, '[.eE]') THEN TRY_CAST({text} AS BIGINT)
            WHEN TRY_CAST({text} AS DOUBLE) % 1 = 0 THEN TRY_CAST(CAST({text} AS DOUBLE) AS BIGINT) END
        WHEN starts_with({text}, '{{') THEN CASE WHEN json_extract_string({text}, '$._mlv') = 'int'
            AND {_IS_TYPED_INT.format(text)}
            THEN TRY_CAST(json_extract_string({text}, '$.value') AS BIGINT) END
        END"""


def number(text: str) -> str:
    """Return the number that a member is, as JSON or as a typed value, or NULL.

    Args:
        text: An expression for the JSON text of the member.
    """
    return f"""CASE
        WHEN {text} BETWEEN '-' AND ':' THEN CAST({text} AS DOUBLE)
        WHEN starts_with({text}, '{{') THEN CASE json_extract_string({text}, '$._mlv')
            WHEN 'float' THEN CASE WHEN {_IS_TYPED_FLOAT.format(text)}
                THEN CAST(json_extract_string({text}, '$.value') AS DOUBLE) END
            WHEN 'int' THEN CASE WHEN {_IS_TYPED_INT.format(text)}
                THEN TRY_CAST(json_extract_string({text}, '$.value') AS DOUBLE) END
        END
        END"""


def is_rounded(text: str) -> str:
    """Return whether a member is an integer, and `number` gives another value: the nearest DOUBLE, or an infinity.

    Args:
        text: An expression for the JSON text of the member.
    """
    digits = f"CASE WHEN starts_with({text}, '{{') THEN json_extract_string({text}, '$.value') ELSE {text} END"
    # Integers of up to 15 digits are exact, and most members are shorter.
    return f"""CASE WHEN length({text}) <= 15 THEN false
        WHEN regexp_full_match({digits}, '-?[0-9]+') THEN printf('%.0f', {number(text)}) != {digits}
        ELSE false END"""


def unescaped(name: str) -> str:
    """Return the name of a member as `mlvlogger` reads it (`reader.unescape`).

    Args:
        name: An expression for the name in the record.
    """
    return f"CASE WHEN regexp_full_match({name}, '__+mlv') THEN {name}[2:] ELSE {name} END"


#: The step of an event, from its data.
STEP = integer("CAST(json_extract(data, '$.step') AS VARCHAR)")

#: The seq to which an `mlv/rewind` goes back, from its data.
TO = integer("CAST(json_extract(data, '$.to') AS VARCHAR)")
