"""Views over a tree of experiments, in DuckDB."""

from __future__ import annotations

import json
import os
import tempfile
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from mlvlogger import Experiment, MLVError

from ._columns import VIEWS
from ._lines import LINE, Odd, are_read_alike
from ._rows import Row, event_rows, experiment_row, leftovers, problem_row, shown, strays
from ._trees import find

if TYPE_CHECKING:
    import duckdb

__all__ = ["connect"]

_LONGEST = 16 * 1024 * 1024  # bytes of a line
_BLOCK = 1024 * 1024


def connect(root: str | os.PathLike[str]) -> duckdb.DuckDBPyConnection:
    """The experiments in and below the directory *root*, to be asked with SQL: a connection to DuckDB, in memory.

    It has four views:

    - `experiments`: experiment, id, parent, name, kind, created, state, params, tags, descriptions, environments,
      extra, error;
    - `events`: experiment, id, stream, seq, time, event, step, data, span, begin, within, seconds;
    - `metrics`: experiment, id, stream, seq, time, event, step, name, value;
    - `problems`: experiment, path, line, message.

    A function `plain` gives the text of a JSON value, which of a typed value is its `value`: `plain(params->'seed')`.

    They show what was there at the call, lifecycle events included, and no event that a rewind superseded. A broken
    experiment is a row of `experiments` with its `error`. What else could not be read is in `problems`, and there is a
    warning where that has rows. The how-to page Querying says what each column is.

    No symbolic link below *root* is followed, and nothing is written there. DuckDB neither loads nor installs
    extensions by itself, so that no query opens a network connection.

    Raises FileNotFoundError and NotADirectoryError.
    """
    import duckdb

    experiments: list[Row] = []
    problems: list[Row] = []
    readable: list[tuple[str, Experiment]] = []
    streams: list[_Stream] = []
    for found in find(root):
        name = "." if found.path == Path(root) else shown(found.name)
        experiments.append(experiment_row(found, name))
        if found.experiment is None:
            problems.append(problem_row(name, "meta.json", None, found.error))
        else:
            readable.append((name, found.experiment))
            streams += [_Stream(name, found.experiment, path) for path in found.experiment.streams]
            problems += [problem_row(name, path, None, message) for path, message in strays(found.experiment)]
    connection = duckdb.connect(config={"autoinstall_known_extensions": False, "autoload_known_extensions": False})
    _fill(connection, "experiments", experiments)
    _load_events(connection, streams)
    for stream in streams:
        problems += [problem_row(stream.name, *problem) for problem in stream.problems]
    for name, experiment in readable:
        problems += [problem_row(name, told.path, told.line, told.message) for told in experiment.problems]
    problems.sort(key=lambda row: (row["experiment"], row["path"], row["line"] or 0))
    _fill(connection, "problems", problems)
    connection.execute(_METRICS)
    connection.execute(_PLAIN)
    if problems:
        _warn(problems)
    return connection


class _Stream:
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
        self.file = os.path.abspath(experiment.path / path)
        self.problems: list[tuple[str, int | None, str]] = []

    def rows(self) -> Iterable[Row]:
        """Its events by the plain reader."""
        try:
            yield from event_rows(self.experiment, self.path)
            self.problems += leftovers(self.experiment, self.path)
        except (MLVError, OSError) as error:
            self.problems.append((self.path, None, f"{error} (mlv-validate {self.experiment.path} tells more)"))


def _load_events(connection: duckdb.DuckDBPyConnection, streams: list[_Stream]) -> None:
    """Make the table of all events, and the view on it."""
    sizes = {stream: _size(stream.file) for stream in streams}
    streams = sorted(streams, key=lambda stream: sizes[stream] is None)
    rows = ({"number": n, "experiment": s.name, "id": s.experiment.id, "stream": s.path} for n, s in enumerate(streams))
    _table(connection, "_streams", {"number": "INTEGER", **_types("events", "experiment", "id", "stream")}, rows)
    quick = _load_quick(connection, [(stream.file, size) for stream in streams if (size := sizes[stream]) is not None])
    if connection.execute("FROM _events WHERE event = 'mlv/rewind' LIMIT 1").fetchall():
        connection.execute(_NO_REWOUND)
    slow = [number for number in range(len(streams)) if number not in quick]
    with tempfile.TemporaryDirectory(prefix="mlv-") as folder:
        path = _write(folder, ({"stream_number": number, **row} for number in slow for row in streams[number].rows()))
        types = {"stream_number": "INTEGER", **_EVENT_TYPES}
        connection.execute(f"INSERT INTO _events BY NAME SELECT *, {_STEP} AS step FROM {_read(path, types)}")
    connection.execute(_EVENTS)


def _load_quick(connection: duckdb.DuckDBPyConnection, files: list[tuple[str, int]]) -> set[int]:
    """Make the table `_events` with those streams that DuckDB reads as the plain reader does; return their numbers.

    Every byte of a stream has to be accounted for: it is of a line of a form that is known to be read alike, or of one
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
        f"read_ndjson_objects({_literal([_no_pattern(file) for file in files])}, hive_partitioning=false, "
        f"ignore_errors=true, maximum_object_size={_LONGEST})"
        if files
        else "(SELECT NULL::JSON AS json, 0 AS file_index LIMIT 0)"
    )
    return f"""CREATE OR REPLACE TABLE _events AS
        SELECT *, {_STEP} AS step FROM (
            SELECT stream_number, strlen(line) + 1 AS size, odd, CASE WHEN odd THEN line END AS line,
                unnest(json_transform(line, {_quoted(json.dumps(_EVENT_TYPES))}))
            FROM (
                SELECT CAST(file_index AS INTEGER) AS stream_number, json AS line,
                    NOT regexp_full_match(CAST(json AS VARCHAR), {_quoted(LINE)})
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


def _warn(problems: list[Row]) -> None:
    experiment, path, line, message = problems[0].values()
    where = "/".join((experiment, path)) + (f":{line}" if line else "")
    text = f"{where}: {message}"
    count = f"{len(problems)} things were" if len(problems) > 1 else "Something was"
    warnings.warn(
        f"{count} left out of the views, such as {text.encode('unicode_escape').decode('ascii')}. "
        "SELECT * FROM problems tells all.",
        stacklevel=3,
    )


def _fill(connection: duckdb.DuckDBPyConnection, view: str, rows: Iterable[Row]) -> None:
    """Make a view, and the table behind it, of rows."""
    _table(connection, "_" + view, _types(view), rows)
    connection.execute(f"CREATE VIEW {view} AS FROM _{view}")


def _table(connection: duckdb.DuckDBPyConnection, name: str, types: dict[str, str], rows: Iterable[Row]) -> None:
    with tempfile.TemporaryDirectory(prefix="mlv-") as folder:
        connection.execute(f"CREATE TABLE {name} AS FROM {_read(_write(folder, rows), types)}")


def _write(folder: str, rows: Iterable[Row]) -> str:
    path = os.path.join(folder, "rows.jsonl")
    with open(path, "w", encoding="ascii") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return path


def _read(path: str, types: dict[str, str]) -> str:
    """What gives the rows that were written to *path*. A record of 16 MiB is longer when it is all escapes."""
    columns = ", ".join(f"{_quoted(name)}: {_quoted(kind)}" for name, kind in types.items())
    return (
        f"read_json({_quoted(_no_pattern(path))}, format='newline_delimited', "
        f"maximum_object_size={8 * _LONGEST}, columns={{{columns}}})"
    )


def _types(view: str, *names: str) -> dict[str, str]:
    return {name: kind for name, kind, _ in VIEWS[view] if not names or name in names}


def _no_pattern(path: str) -> str:
    """*path* as a pattern that nothing else matches."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in path)


def _literal(texts: list[str]) -> str:
    return "[" + ", ".join(map(_quoted, texts)) + "]"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _integer(text: str) -> str:
    """The integer that a member is, spelled as a number (`13.0` is 13) or as a typed value, or NULL.

    CAST takes text for a number too, and rounds 1.5: both are no integers.
    """
    return f"""CASE
        WHEN {text} BETWEEN '-' AND ':' THEN CASE
            WHEN NOT regexp_matches({text}, '[.eE]') THEN TRY_CAST({text} AS BIGINT)
            WHEN TRY_CAST({text} AS DOUBLE) % 1 = 0 THEN TRY_CAST(CAST({text} AS DOUBLE) AS BIGINT) END
        WHEN starts_with({text}, '{{') THEN CASE WHEN json_extract_string({text}, '$._mlv') = 'int'
            AND regexp_full_match(CAST(json_extract({text}, '$.value') AS VARCHAR), '"(0|-?[1-9][0-9]*)"')
            THEN TRY_CAST(json_extract_string({text}, '$.value') AS BIGINT) END
        END"""


_EVENT_TYPES = _types("events", "seq", "time", "event", "data", "span", "begin", "within", "seconds")
_STEP = _integer("CAST(json_extract(data, '$.step') AS VARCHAR)")
# Few streams have many sets of names, and a text is compared faster than a list.
_TWICE = """SELECT DISTINCT stream_number FROM (
        SELECT DISTINCT stream_number, array_to_string(json_keys(data), chr(10)) AS names FROM _events
    ) WHERE len(list_distinct(string_split(names, chr(10)))) != len(string_split(names, chr(10)))"""
_ODD = """SELECT stream_number, line, seq, "time", event, span, "begin", within, seconds
    FROM _events WHERE odd ORDER BY rowid"""

_NO_REWOUND = f"""DELETE FROM _events USING (
        SELECT stream_number, seq AS before, {_integer("CAST(json_extract(data, '$.to') AS VARCHAR)")} AS after
        FROM _events WHERE event = 'mlv/rewind'
    ) AS rewind
    WHERE _events.stream_number = rewind.stream_number AND seq > after AND seq < before
        AND NOT starts_with(event, 'mlv/')"""

_PLAIN = """CREATE MACRO plain(json) AS CASE
    WHEN json_extract_string(json, '$._mlv') IS NULL THEN json_extract_string(json, '$')
    ELSE json_extract_string(json, '$.value') END"""

_EVENTS = """CREATE VIEW events AS
    SELECT experiment, id, stream, seq, "time", event, step, data, span, "begin", within, seconds
    FROM _events JOIN _streams ON stream_number = number"""

# Where there is no step, the events are counted in the order of their lines, which is that of the rows.
_METRICS = r"""CREATE TABLE _metrics AS
    WITH members AS (
        SELECT stream_number, rowid AS line, seq, "time", event, step,
            unnest(json_keys(data)) AS name, unnest(json_extract(data, '$.*')) AS "value"
        FROM _events WHERE NOT starts_with(event, 'mlv/')
    ),
    found AS MATERIALIZED (
        SELECT stream_number, line, seq, "time", event, step,
            CASE WHEN regexp_full_match(name, '__+mlv') THEN name[2:] ELSE name END AS name,
            CASE
                WHEN "value" BETWEEN '-' AND ':' THEN CAST("value" AS DOUBLE)
                WHEN starts_with("value", '{') THEN CASE json_extract_string("value", '$._mlv')
                    WHEN 'float' THEN CASE WHEN CAST(json_extract("value", '$.value') AS VARCHAR)
                        IN ('"nan"', '"inf"', '"-inf"') THEN CAST(json_extract_string("value", '$.value') AS DOUBLE) END
                    WHEN 'int' THEN CASE WHEN regexp_full_match(
                        CAST(json_extract("value", '$.value') AS VARCHAR), '"(0|-?[1-9][0-9]*)"')
                        THEN TRY_CAST(json_extract_string("value", '$.value') AS DOUBLE) END
                END
            END AS "value"
        FROM (SELECT * REPLACE (CAST("value" AS VARCHAR) AS "value") FROM members) WHERE name != 'step'
    ),
    counted AS (
        SELECT DISTINCT stream_number, event, name FROM found WHERE step IS NULL AND "value" IS NOT NULL
    ),
    numbered AS (
        SELECT * FROM found ANTI JOIN counted USING (stream_number, event, name) WHERE "value" IS NOT NULL
        UNION ALL
        SELECT * REPLACE (coalesce(
            step, row_number() OVER (PARTITION BY stream_number, event, name ORDER BY line) - 1) AS step)
        FROM found SEMI JOIN counted USING (stream_number, event, name) WHERE "value" IS NOT NULL
    )
    SELECT stream_number, seq, "time", event, step, name, "value" FROM numbered;
CREATE VIEW metrics AS
    SELECT experiment, id, stream, seq, "time", event, step, name, "value"
    FROM _metrics JOIN _streams ON stream_number = number"""
