"""Views over a tree of experiments, in DuckDB."""

from __future__ import annotations

import json
import os
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mlvlogger import MLVError

from ._columns import VIEWS
from ._rows import Row, event_rows, experiment_row, leftovers, problem_row, shown
from ._trees import Found, find

if TYPE_CHECKING:
    import duckdb

__all__ = ["connect"]


def connect(root: str | os.PathLike[str]) -> duckdb.DuckDBPyConnection:
    """The experiments in and below the directory *root*, to be asked with SQL: a connection to DuckDB, in memory.

    It has the views `experiments`, `events`, `metrics` and `problems`. Events that a rewind superseded are in none
    of them. What could not be read is in `problems`, and there is a warning where that has any rows.

    The views show what was there at the call. No symbolic link below *root* is followed, and nothing is written there.

    Raises FileNotFoundError and NotADirectoryError.
    """
    import duckdb

    connection = duckdb.connect(config={"autoinstall_known_extensions": False, "autoload_known_extensions": False})
    _Tables(connection).fill(Path(root))
    return connection


class _Tables:
    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def fill(self, root: Path) -> None:
        experiments: list[Row] = []
        problems: list[Row] = []
        events: list[Row] = []
        for found in find(root):
            name = "." if found.path == root else shown(found.name)
            row = experiment_row(found, name)
            experiments.append(row)
            if row["error"]:
                problems.append(problem_row(name, "meta.json", None, row["error"]))
            events += self._events(found, name, problems)
            if found.experiment:
                told = found.experiment.problems
                problems += [problem_row(name, problem.path, problem.line, problem.message) for problem in told]
        self._table("experiments", experiments)
        self._table("events", events)
        self._table("problems", problems)
        self._connection.execute(_METRICS)
        if problems:
            first = problems[0]
            where = f"{first['experiment']}/{first['path']}" + (f":{first['line']}" if first["line"] else "")
            warnings.warn(
                f"{len(problems)} problems: something was left out; the first is {where}: {first['message']!r}. "
                "All of them: SELECT * FROM problems",
                stacklevel=4,
            )

    def _events(self, found: Found, name: str, problems: list[Row]) -> Iterator[Row]:
        if found.experiment is None:
            return
        for stream in found.experiment.streams:
            try:
                for row in event_rows(found.experiment, stream):
                    yield {"experiment": name, "id": found.experiment.id, "stream": stream, **row}
                for path, line, message in leftovers(found.experiment, stream):
                    problems.append(problem_row(name, path, line, message))
            except (MLVError, OSError) as error:
                problems.append(problem_row(name, stream, None, str(error)))

    def _table(self, view: str, rows: list[Row]) -> None:
        columns = [(name, kind) for name, kind, _ in VIEWS[view]]
        with tempfile.TemporaryDirectory(prefix="mlv-") as directory:
            path = os.path.join(directory, "rows.jsonl")
            with open(path, "w", encoding="ascii") as file:
                file.writelines(json.dumps(row) + "\n" for row in rows)
            selected = {"step": _STEP}
            self._connection.execute(
                f"CREATE TABLE _{view} AS SELECT * FROM read_json($path, format='newline_delimited', "
                f"maximum_object_size=134217728, columns={_literal({n: k for n, k in columns if n not in selected})})",
                {"path": path},
            )
        wanted = ", ".join(f'{selected[name]} AS "{name}"' if name in selected else f'"{name}"' for name, _ in columns)
        self._connection.execute(f"CREATE VIEW {view} AS SELECT {wanted} FROM _{view}")


def _literal(columns: dict[str, str]) -> str:
    return "{" + ", ".join(f"'{name}': '{kind}'" for name, kind in columns.items()) + "}"


# The arrow operators of JSON bind more loosely than comparisons: the functions they stand for do not surprise.
_STEP = """CASE json_type(data, '$.step')
    WHEN 'BIGINT' THEN CAST(json_extract(data, '$.step') AS BIGINT)
    WHEN 'UBIGINT' THEN TRY_CAST(json_extract(data, '$.step') AS BIGINT)
    WHEN 'DOUBLE' THEN CASE WHEN CAST(json_extract(data, '$.step') AS DOUBLE) % 1 = 0
        THEN TRY_CAST(CAST(json_extract(data, '$.step') AS DOUBLE) AS BIGINT) END
    WHEN 'OBJECT' THEN CASE WHEN json_extract_string(data, '$.step._mlv') = 'int'
        THEN TRY_CAST(json_extract_string(data, '$.step.value') AS BIGINT) END END"""

_METRICS = """CREATE VIEW metrics AS
SELECT experiment, id, stream, seq, "time", event,
    coalesce(step, row_number() OVER (PARTITION BY experiment, stream, event, name ORDER BY seq) - 1) AS step,
    name, "value"
FROM (
    SELECT e.experiment, e.id, e.stream, e.seq, e."time", e.event, e.step,
        CASE WHEN regexp_full_match(m.key, '__+mlv') THEN m.key[2:] ELSE m.key END AS name,
        CASE m.type
            WHEN 'DOUBLE' THEN CAST(m.value AS DOUBLE)
            WHEN 'BIGINT' THEN CAST(m.value AS DOUBLE)
            WHEN 'UBIGINT' THEN CAST(m.value AS DOUBLE)
            WHEN 'OBJECT' THEN CASE WHEN json_extract_string(m.value, '$._mlv') IN ('float', 'int')
                THEN TRY_CAST(json_extract_string(m.value, '$.value') AS DOUBLE) END
        END AS "value"
    FROM events AS e, json_each(e.data) AS m
    WHERE e.event NOT LIKE 'mlv/%' AND m.key != 'step'
)
WHERE "value" IS NOT NULL"""
