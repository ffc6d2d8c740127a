"""The table of all events: DuckDB reads the streams that it reads as `mlvlogger` does; `mlvlogger` reads all others."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from mlv_tools._reading.trees import details
from mlv_tools._sql.odd_lines import Odd, parsed_identically
from mlv_tools._sql.rows import Row, event_rows, torn_end
from mlv_tools._sql.rules import IS_LIFECYCLE, STEP, TO
from mlv_tools._sql.tables import no_pattern, quoted, read_rows, table, types_of, write_rows
from mlvlogger import MAX_RECORD, PLAIN_LINE, Experiment, MLVError

if TYPE_CHECKING:
    import duckdb

__all__ = ["Stream", "load_events"]

_BLOCK = 1024 * 1024


class Stream:
    """A stream to read.

    Attributes:
        name: The name of its experiment in the views.
        experiment: Its experiment.
        path: Its path in the experiment.
        file: The path of the file.
        problems: What was left out of it: path, line, message.
    """

    def __init__(self, name: str, experiment: Experiment, path: str) -> None:
        self.name = name
        self.experiment = experiment
        self.path = path
        self.file = os.path.realpath(experiment.path / path)
        self.problems: list[tuple[str, int | None, str]] = []

    def rows(self) -> Iterable[Row]:
        """Yield the events as rows of `events`, read by `mlvlogger`."""
        try:
            yield from (row for _, row in event_rows(self.experiment, self.path))
            self.problems += torn_end(self.experiment, self.path)
        except (MLVError, OSError) as error:
            self.problems.append((self.path, None, f"{error} {details(self.experiment.path)}"))


def load_events(connection: duckdb.DuckDBPyConnection, streams: list[Stream]) -> None:
    """Create the table `_events`, with a row for each line in order, and `_streams`, with a row for each stream."""
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
        types = {"stream_number": "INTEGER", **_EVENT_TYPES, **types_of("events", "step")}
        connection.execute(f"INSERT INTO _events BY NAME FROM {read_rows(path, types)}")


def _load_quick(connection: duckdb.DuckDBPyConnection, files: list[tuple[str, int]]) -> set[int]:
    """Create the table `_events` with the streams that DuckDB reads as `mlvlogger` does, and return their numbers.

    Every byte of a stream like this belongs to a plain line, or to a line that `mlvlogger` read with the same result.

    Args:
        files: The file of each stream, and its size in bytes.
    """
    import duckdb

    try:
        connection.execute(_scan([file for file, _ in files]))
    except duckdb.Error:  # DuckDB cannot read one of the files, and does not report which one
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
        quick -= odd.keys() - parsed_identically(odd, Path(folder))
    if slow := [number for number, *_ in found if number not in quick]:
        connection.execute("DELETE FROM _events WHERE list_contains($slow, stream_number)", {"slow": slow})
    return quick


def _scan(files: list[str]) -> str:
    """Return the SQL that creates the table `_events` from all lines of *files*, in order."""
    source = (
        f"read_ndjson_objects([{', '.join(quoted(no_pattern(file)) for file in files)}], hive_partitioning=false, "
        f"ignore_errors=true, maximum_object_size={MAX_RECORD})"
        if files
        else "(SELECT NULL::JSON AS json, 0 AS file_index LIMIT 0)"
    )
    return f"""CREATE OR REPLACE TABLE _events AS
        SELECT *, {STEP} AS step FROM (
            SELECT stream_number, strlen(line) + 1 AS size, odd, CASE WHEN odd THEN line END AS line,
                unnest(json_transform(line, {quoted(json.dumps(_EVENT_TYPES))}))
            FROM (
                SELECT CAST(file_index AS INTEGER) AS stream_number, json AS line,
                    NOT regexp_full_match(CAST(json AS VARCHAR), {quoted(PLAIN_LINE)})
                        OR contains(json, '"event":"mlv/start"') AS odd
                FROM {source}
            )
        )"""


def _size(file: str) -> int | None:
    """Return the size of a stream in bytes, or None if DuckDB cannot read it as `mlvlogger` does."""
    try:
        file.encode("utf-8")
        with open(file, "rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            if size == 0:
                return None
            stream.seek(size - 1)
            if stream.read(1) != b"\n":  # a torn last line
                return None
            if size > MAX_RECORD:
                stream.seek(0)
                length = 0
                while block := stream.read(_BLOCK):
                    length = length + len(block) if b"\n" not in block else len(block)
                    if length > MAX_RECORD - _BLOCK:  # the line may be too long
                        return None
            return size
    except (OSError, UnicodeEncodeError):
        return None


_EVENT_TYPES = types_of("events", "seq", "time", "event", "data", "span", "begin", "within", "seconds")
# Few streams have many different sets of names, and strings are compared faster than lists.
_TWICE = """SELECT DISTINCT stream_number FROM (
        SELECT DISTINCT stream_number, array_to_string(json_keys(data), chr(10)) AS names FROM _events
    ) WHERE len(list_distinct(string_split(names, chr(10)))) != len(string_split(names, chr(10)))"""
_ODD = """SELECT stream_number, line, seq, "time", event, span, "begin", within, seconds
    FROM _events WHERE odd ORDER BY rowid"""

# An event is superseded if a later rewind goes back to a smaller seq: the smallest `to` of all later rewinds decides.
# One pass in the order of seqs finds it; a join would compare each event with each rewind.
_NO_REWOUND = f"""DELETE FROM _events WHERE rowid IN (
        SELECT line FROM (
            SELECT rowid AS line, seq, event, min(CASE WHEN event = 'mlv/rewind' THEN {TO} END) OVER (
                PARTITION BY stream_number ORDER BY seq DESC GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS after
            FROM _events WHERE stream_number IN (SELECT stream_number FROM _events WHERE event = 'mlv/rewind')
        ) WHERE seq > after AND NOT {IS_LIFECYCLE})"""
