"""Lines that DuckDB doesn't read as `mlvlogger` does, and the check for streams with such lines.

DuckDB accepts more than JSON: `NaN`, a name that occurs twice, an additional comma. Therefore it reads only the lines
that match `mlvlogger.PLAIN_LINE`. `mlvlogger` reads all other lines, and the results are compared.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import mlvlogger
from mlvlogger import SPEC_VERSION, Experiment

__all__ = ["Odd", "parsed_identically"]

#: A line that isn't plain, and the values that DuckDB reads: seq, time, event, span, begin, within and seconds.
Odd = tuple[str, int | None, datetime | None, str | None, str | None, int | None, int | None, float | None]


def parsed_identically(odd: dict[int, list[Odd]], folder: Path) -> set[int]:
    """Return the numbers of the streams in which `mlvlogger` and DuckDB read the same events on all odd lines.

    Args:
        odd: The odd lines of each stream, by its number.
        folder: An empty directory, for temporary experiments that contain the lines.
    """
    # Usually there is no difference, and one check of all lines is enough.
    if _is_identical([line for lines in odd.values() for line in lines], folder / "all"):
        return {*odd}
    return {number for number, lines in odd.items() if _is_identical(lines, folder / str(number))}


def _is_identical(odd: list[Odd], directory: Path) -> bool:
    directory.mkdir()
    meta: dict[str, Any] = {"mlv": SPEC_VERSION, "name": "odd", "params": {}}
    (directory / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
    text = "".join(line + "\n" for line, *_ in odd)
    (directory / Experiment.default_stream).write_text(text, encoding="utf-8", newline="\n")
    try:
        events = list(mlvlogger.read(directory).events(rewound=True, lifecycle=True))
    except mlvlogger.UnsupportedVersion:
        return False
    # DuckDB drops the offset of a time; the times are the same only in UTC.
    return all(event.time.utcoffset() == timedelta(0) for event in events) and [line[1:] for line in odd] == [
        (e.seq, e.time.replace(tzinfo=None), e.name, e.span, e.begin, e.within, e.seconds) for e in events
    ]
