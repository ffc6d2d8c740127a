"""The table of all events: read by DuckDB itself where it reads as the plain reader does, by that one elsewhere."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from mlv_tools._lines import LINE, Odd, are_read_alike
from mlv_tools._rows import Row, event_rows, leftovers
from mlv_tools._tables import no_pattern, quoted, read_rows, table, types_of, write_rows
from mlvlogger import Experiment, MLVError

if TYPE_CHECKING:
    import duckdb

__all__ = ["Stream", "load_events"]

_LONGEST = 16 * 1024 * 1024  # bytes of a line
_BLOCK = 1024 * 1024


class Stream:
    """A stream to be read.

    Attributes:
        name: What its experiment is called in the views.
        experiment: Its experiment.
        path: Its path in the experiment.
        file: Where it is.
        problems: What was wrong with it: path, line, message.
    """

    def __init__(self, name: str, experiment: Experiment, path: str) -> None:
        self.name = name
        self.experiment = experiment
        self.path = path
        self.file = os.path.realpath(experiment.path / path)
        self.problems: list[tuple[str, int | None, str]] = []

    def rows(self) -> Iterable[Row]:
        """Its events by the plain reader."""
        try:
            yield from event_rows(self.experiment, self.path)
            self.problems += leftovers(self.experiment, self.path)
        except (MLVError, OSError) as error:
            self.problems.append((self.path, None, f"{error} (for details, run: mlv-validate {self.experiment.path})"))


def load_events(connection: duckdb.DuckDBPyConnection, streams: list[Stream]) -> None:
    """Make the tables `_events`, a row for each line, in order, and `_streams`, which says whose they are."""
    sizes = {stream: _size(stream.file) for stream in streams}
    streams = sorted(streams, key=lambda stream: sizes[stream] is None)
    rows = ({"number": n, "experiment": s.name, "id": s.experiment.id, "stream": s.path} for n, s in enumerate(streams))
    table(connection, "_streams", {"number": "INTEGER", **types_of("events", "experiment", "id", "stream")}, rows)
    quick = _load_quick(connection, [(stream.file, size) for stream in streams if (size := sizes[stream]) is not None])
    if connection.execute("FROM _events WHERE event = 'mlv/rewind' LIMIT 1").fetchall():
        connection.execute(_NO_REWOUND)
    slow = [number for number in range(len(streams)) if number not in quick]
    with tempfile.TemporaryDirectory(prefix="mlv-") as folder:
        path = write_rows(
            folder, ({"stream_number": number, **row} for number in slow for row in streams[number].rows())
        )
        types = {"stream_number": "INTEGER", **_EVENT_TYPES}
        connection.execute(f"INSERT INTO _events BY NAME SELECT *, {_STEP} AS step FROM {read_rows(path, types)}")


def _load_quick(connection: duckdb.DuckDBPyConnection, files: list[tuple[str, int]]) -> set[int]:
    """Make the table `_events` with those streams that DuckDB reads as the plain reader does; return their numbers.

    Every byte of a stream must be accounted for: it is of a line of a form that is known to be read alike, or of one
    that the plain reader was asked about.

    Args:
        files: Of each stream, its file and the number of bytes in it.
    """
    import duckdb

    try:
        connection.execute(_scan([file for file, _ in files]))
    except duckdb.Error:  # one of the files was too much for DuckDB, and which one it does not say
        connection.execute(_scan([]))
    found = connection.execute(
        "SELECT stream_number, sum(size)::BIGINT, bool_or(odd) FROM _events GROUP BY ALL"
    ).fetchall()
    quick = {number for number, size, _ in found if size == files[number][1]}
    twice = connection.execute(_TWICE).fetchall()
    quick -= {number for (number,) in twice}
    odd: dict[int, list[Odd]] = {number: [] for number, _, has_odd in found if has_odd and number in quick}
    for number, *line in connection.execute(_ODD).fetchall():
        if number in odd:
            odd[number].append(tuple(line))
    with tempfile.TemporaryDirectory(prefix="mlv-") as folder:
        quick -= odd.keys() - are_read_alike(odd, Path(folder))
    if slow := [number for number, *_ in found if number not in quick]:
        connection.execute("DELETE FROM _events WHERE list_contains($slow, stream_number)", {"slow": slow})
    return quick


def _scan(files: list[str]) -> str:
    """What makes the table `_events` of all lines of these files, in order."""
    source = (
        f"read_ndjson_objects([{', '.join(quoted(no_pattern(file)) for file in files)}], hive_partitioning=false, "
        f"ignore_errors=true, maximum_object_size={_LONGEST})"
        if files
        else "(SELECT NULL::JSON AS json, 0 AS file_index LIMIT 0)"
    )
    return f"""CREATE OR REPLACE TABLE _events AS
        SELECT *, {_STEP} AS step FROM (
            SELECT stream_number, strlen(line) + 1 AS size, odd, CASE WHEN odd THEN line END AS line,
                unnest(json_transform(line, {quoted(json.dumps(_EVENT_TYPES))}))
            FROM (
                SELECT CAST(file_index AS INTEGER) AS stream_number, json AS line,
                    NOT regexp_full_match(CAST(json AS VARCHAR), {quoted(LINE)})
                        OR contains(json, '"event":"mlv/start"') AS odd
                FROM {source}
            )
        )"""


def _size(file: str) -> int | None:
    """How many bytes a stream has; None where DuckDB need not try to read it."""
    try:
        file.encode("utf-8")
        with open(file, "rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            if size == 0:
                return None
            stream.seek(size - 1)
            if stream.read(1) != b"\n":  # a torn last line
                return None
            if size > _LONGEST:
                stream.seek(0)
                length = 0
                while block := stream.read(_BLOCK):
                    length = length + len(block) if b"\n" not in block else len(block)
                    if length > _LONGEST - _BLOCK:  # perhaps too long
                        return None
            return size
    except (OSError, UnicodeEncodeError):
        return None


def _integer(text: str) -> str:
    """The integer that a member is, spelled as a number (`13.0` is 13) or as a typed value, or NULL.

    CAST takes text for a number too, and rounds 1.5: neither is an integer.
    """
    return f"""CASE
        WHEN {text} BETWEEN '-' AND ':' THEN CASE
            WHEN NOT regexp_matches({text}, '[.eE]') THEN TRY_CAST({text} AS BIGINT)
            WHEN TRY_CAST({text} AS DOUBLE) % 1 = 0 THEN TRY_CAST(CAST({text} AS DOUBLE) AS BIGINT) END
        WHEN starts_with({text}, '{{') THEN CASE WHEN json_extract_string({text}, '$._mlv') = 'int'
            AND regexp_full_match(CAST(json_extract({text}, '$.value') AS VARCHAR), '"(0|-?[1-9][0-9]*)"')
            THEN TRY_CAST(json_extract_string({text}, '$.value') AS BIGINT) END
        END"""


_EVENT_TYPES = types_of("events", "seq", "time", "event", "data", "span", "begin", "within", "seconds")
_STEP = _integer("CAST(json_extract(data, '$.step') AS VARCHAR)")
_TO = _integer("CAST(json_extract(data, '$.to') AS VARCHAR)")
# Few streams have many sets of names, and a string is compared faster than a list.
_TWICE = """SELECT DISTINCT stream_number FROM (
        SELECT DISTINCT stream_number, array_to_string(json_keys(data), chr(10)) AS names FROM _events
    ) WHERE len(list_distinct(string_split(names, chr(10)))) != len(string_split(names, chr(10)))"""
_ODD = """SELECT stream_number, line, seq, "time", event, span, "begin", within, seconds
    FROM _events WHERE odd ORDER BY rowid"""

# A rewind with a larger seq that goes back to a smaller one supersedes an event, so the smallest `to` of all rewinds
# after the event decides. One pass in the order of seqs finds it; a join would compare each event with each rewind.
_NO_REWOUND = f"""DELETE FROM _events WHERE rowid IN (
        SELECT line FROM (
            SELECT rowid AS line, seq, event, min(CASE WHEN event = 'mlv/rewind' THEN {_TO} END) OVER (
                PARTITION BY stream_number ORDER BY seq DESC GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS after
            FROM _events WHERE stream_number IN (SELECT stream_number FROM _events WHERE event = 'mlv/rewind')
        ) WHERE seq > after AND NOT starts_with(event, 'mlv/'))"""
