"""The views of a tree of experiments in DuckDB."""

from __future__ import annotations

import os
import tempfile
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mlv_tools._reading.trees import find
from mlv_tools._sql.definitions import load_definitions
from mlv_tools._sql.events import Stream, load_events
from mlv_tools._sql.rows import Row, experiment_name, experiment_row, link_problems, log_strays, problem_row, rounded
from mlv_tools._sql.rules import IS_LIFECYCLE, is_rounded, number, unescaped
from mlv_tools._sql.tables import fill
from mlvlogger import Experiment

if TYPE_CHECKING:
    import duckdb

__all__ = ["connect", "left_out"]


def connect(root: str | os.PathLike[str]) -> duckdb.DuckDBPyConnection:
    """Open an in-memory DuckDB connection with the experiments in and below a directory, to query them with SQL.

    It has six views. [Query](../how-to/query.md) describes their columns:

    - `experiments`: experiment, id, parent, name, kind, created, state, params, changes, tags, descriptions,
      environments, extra, error;
    - `events`: experiment, id, stream, seq, time, event, step, data, span, begin, within, seconds;
    - `metrics`: experiment, id, stream, seq, time, event, step, name, value;
    - `definitions`: experiment, id, stream, event, name, direction, unit, description, axis;
    - `best`: experiment, id, stream, event, name, direction, value, seq, step;
    - `problems`: experiment, path, line, message.

    The function `plain` returns the text of a JSON value; for a typed value, the text of its `value`:
    `plain(params->'seed')`.

    The views show the state at the call, lifecycle events included, without rewound events. A broken experiment is a
    row of `experiments` with its `error`. Other unreadable parts are in `problems`, as are integers of which `metrics`
    has only the nearest number; there is a warning if `problems` has rows.

    No symbolic link below the directory is followed; `problems` has those that lead outside of it. Nothing is written
    there. DuckDB neither loads nor installs extensions by itself, so that no query opens a network connection.

    Args:
        root: The directory.

    Raises:
        FileNotFoundError: If the directory does not exist.
        NotADirectoryError: If `root` isn't a directory.
    """
    tree = _search(root)
    connection = _open_connection()
    fill(connection, "experiments", tree.experiments)
    load_events(connection, tree.streams)
    for statement in (_EVENTS, _METRICS, _PLAIN):
        connection.execute(statement)
    load_definitions(connection, dict(tree.readable))
    problems = tree.problems + _problems_of_reading(tree)
    for name, path, *what in connection.execute(_ROUNDED).fetchall():
        problems.append(problem_row(name, path, None, rounded(*what)))
    problems.sort(key=lambda row: (row["experiment"], row["path"], row["line"] or 0))
    fill(connection, "problems", problems)
    if problems:
        _warn(problems)
    return connection


@dataclass(frozen=True)
class _Tree:
    """What a search finds.

    Attributes:
        experiments: The rows of the view `experiments`.
        readable: The readable experiments, with their names.
        streams: The streams of the readable experiments, which aren't read yet.
        problems: Rows of the view `problems`: what can't be read or searched, and links that lead outside.
    """

    experiments: list[Row] = field(default_factory=list)
    readable: list[tuple[str, Experiment]] = field(default_factory=list)
    streams: list[Stream] = field(default_factory=list)
    problems: list[Row] = field(default_factory=list)


def _search(root: str | os.PathLike[str]) -> _Tree:
    """Find the experiments in and below *root*. The exceptions are those of `connect`."""
    tree = _Tree()
    for found in find(root):
        name = experiment_name(Path(root), found.path)
        tree.experiments.append(experiment_row(found, name))
        if found.experiment is None:
            tree.problems.append(problem_row(name, "meta.json", None, found.error))
            continue
        tree.readable.append((name, found.experiment))
        try:
            tree.streams.extend([Stream(name, found.experiment, path) for path in found.experiment.streams])
            strays = log_strays(found.experiment)
            tree.problems.extend([problem_row(name, path, None, message) for path, message in strays])
        except OSError as error:
            tree.problems.append(problem_row(name, "log", None, f"the folder cannot be searched: {error}"))
    tree.problems.extend(link_problems(root))
    return tree


def _open_connection() -> duckdb.DuckDBPyConnection:
    import duckdb

    settings: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        # For data that exceeds the memory. The default is the working directory.
        "temp_directory": tempfile.gettempdir(),
    }
    return duckdb.connect(config=settings)


def _problems_of_reading(tree: _Tree) -> list[Row]:
    """Return a row for each problem of the streams, once they are read, and of the experiments."""
    rows = [problem_row(stream.name, *problem) for stream in tree.streams for problem in stream.problems]
    for name, experiment in tree.readable:
        rows += [problem_row(name, one.path, one.line, one.message) for one in experiment.problems]
    return rows


def _warn(problems: list[Row]) -> None:
    experiment, path, line, message = problems[0].values()
    where = "/".join((experiment, path)) + (f":{line}" if line else "")
    text = f"{where}: {message}"
    warnings.warn(left_out(len(problems), text, "SELECT * FROM problems"), stacklevel=3)


def left_out(count: int, first: str, query: str) -> str:
    """Return the warning that the views lack data.

    Args:
        count: The number of problems.
        first: The first problem.
        query: The statement that lists all problems.
    """
    problems = "a problem" if count == 1 else f"{count} problems"
    text = first.encode("unicode_escape").decode("ascii")
    return f"Data was left out of the views because of {problems}, such as {text}. To list all problems, run: {query}"


_EVENTS = """CREATE VIEW events AS
    SELECT experiment, id, stream, seq, "time", event, step, data, span, "begin", within, seconds
    FROM _events JOIN _streams ON stream_number = number"""

# If an event has no step, the events are counted in the order of their lines, which is the order of the rows.
_METRICS = f"""CREATE TABLE _metrics AS
    WITH members AS (
        SELECT stream_number, rowid AS line, seq, "time", event, step,
            unnest(json_keys(data)) AS name, unnest(json_extract(data, '$.*')) AS "value"
        FROM _events WHERE NOT {IS_LIFECYCLE}
    ),
    found AS MATERIALIZED (
        SELECT stream_number, line, seq, "time", event, step,
            {unescaped("name")} AS name, {number('"value"')} AS "value", {is_rounded('"value"')} AS is_rounded
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
    SELECT stream_number, seq, "time", event, step, name, "value", is_rounded FROM numbered;
CREATE VIEW metrics AS
    SELECT experiment, id, stream, seq, "time", event, step, name, "value"
    FROM _metrics JOIN _streams ON stream_number = number"""

_ROUNDED = """SELECT experiment, stream, count(*), arg_min(event, (seq, name)), arg_min(name, (seq, name))
    FROM _metrics JOIN _streams ON stream_number = number WHERE is_rounded GROUP BY ALL ORDER BY ALL"""

_PLAIN = """CREATE MACRO plain(json) AS CASE
    WHEN json_extract_string(json, '$._mlv') IS NULL THEN json_extract_string(json, '$')
    ELSE json_extract_string(json, '$.value') END"""
