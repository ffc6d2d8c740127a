"""The lines that DuckDB may read by itself, and what the plain reader says of the others.

DuckDB accepts some invalid JSON: `NaN`, a duplicate name, a trailing comma. So it reads those lines alone
that have the form that writers give them, by one regular expression; all others are shown to the plain reader.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import mlvlogger

__all__ = ["LINE", "Odd", "are_read_alike"]

# Within these bounds every integer is one that a record can have, and every number is finite.
_COUNT = "[1-9][0-9]{0,14}"
_NUMBER = r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,30})?(?:[eE][-+]?[0-9]{1,2})?"
_TEXT = r"[ !#-\[\]-~]*"  # ASCII without escapes: between quotes it is what it says
_NAME = rf"(?:[ !#-\[\]\^`a-~]{_TEXT}|_(?:[ !#-\[\]-ln-~]{_TEXT})?)?"  # of a member; `_m…` may be a typed value's
_VALUE = rf'(?:{_NUMBER}|"{_TEXT}"|true|false|null|\{{"_mlv":"float","value":"(?:nan|-?inf)"\}})'
_MEMBER = f'"{_NAME}":{_VALUE}'
# A day that there is in every year.
_DAY = "(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{6}"

#: An event with flat data, without its line feed, in the syntax of RE2. That names differ is still to be seen.
LINE = (
    rf'\{{"seq":{_COUNT},"time":"[12][0-9]{{3}}-{_DAY}T{_CLOCK}Z","event":"{_TEXT}",'
    rf'"data":\{{(?:{_MEMBER}(?:,{_MEMBER})*)?\}}'
    rf'(?:,"span":"begin"|,"span":"end","begin":{_COUNT},"seconds":{_NUMBER})?(?:,"within":{_COUNT})?\}}'
)

#: A line of another form, and what DuckDB takes for its seq, time, event, span, begin, within and seconds.
Odd = tuple[str, int | None, datetime | None, str | None, str | None, int | None, int | None, float | None]


def are_read_alike(odd: dict[int, list[Odd]], folder: Path) -> set[int]:
    """Of which streams, by their numbers, does the plain reader take all odd lines for the events that DuckDB does?

    Args:
        odd: Of each stream, its odd lines.
        folder: An empty directory, for experiments made of them.
    """
    # Mostly there is nothing wrong, and one check of all of them shows it.
    if _is_read_alike([line for lines in odd.values() for line in lines], folder / "all"):
        return {*odd}
    return {number for number, lines in odd.items() if _is_read_alike(lines, folder / str(number))}


def _is_read_alike(odd: list[Odd], directory: Path) -> bool:
    directory.mkdir()
    meta: dict[str, Any] = {"mlv": "1.0", "name": "odd", "params": {}}
    (directory / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
    text = "".join(line + "\n" for line, *_ in odd)
    (directory / "log.jsonl").write_text(text, encoding="utf-8", newline="\n")
    try:
        events = list(mlvlogger.read(directory).events(rewound=True, lifecycle=True))
    except mlvlogger.UnsupportedVersion:
        return False
    # A time is as in the record, and DuckDB's without its offset; only in UTC that is the same.
    return all(event.time.utcoffset() == timedelta(0) for event in events) and [line[1:] for line in odd] == [
        (e.seq, e.time.replace(tzinfo=None), e.name, e.span, e.begin, e.within, e.seconds) for e in events
    ]
