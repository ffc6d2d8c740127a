"""The tables of the definitions and of the best values of metrics."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mlv_tools._sql.rows import Row
from mlv_tools._sql.tables import table, types_of
from mlvlogger import Experiment, MetricDefinition, MetricDefinitions, MLVError

if TYPE_CHECKING:
    import duckdb

__all__ = ["load_definitions"]

_KEY = {"stream_number": "INTEGER"}


def load_definitions(connection: duckdb.DuckDBPyConnection, experiments: Mapping[str, Experiment]) -> None:
    """Create the views `definitions` and `best`, once the tables of events and metrics exist.

    Args:
        connection: The connection.
        experiments: The readable experiments by their names in the views.
    """
    names = ("event", "name", "direction", "unit", "description", "axis")
    definitions = list(_definitions(connection))
    table(connection, "_definitions", {**_KEY, **types_of("definitions", *names)}, definitions)
    connection.execute(_BEST)
    best = types_of("best", "event", "name", "direction", "value", "seq")
    table(connection, "_exact_best", {**_KEY, **best}, _exact_best(connection, experiments))
    connection.execute(_VIEWS)


def _definitions(connection: duckdb.DuckDBPyConnection) -> Iterator[Row]:
    """Yield a row for each metric that has values in a stream, and a definition."""
    found: dict[str, list[tuple[str, Any]]] = defaultdict(list)  # the stream and the data of each `mlv/metric`
    for experiment, stream, data in connection.execute(_DEFINED).fetchall():
        found[experiment].append((stream, json.loads(data)))
    of_streams: dict[tuple[str, str], MetricDefinitions] = {}
    for number, experiment, stream, event, name in connection.execute(_SERIES).fetchall():
        if experiment not in found:
            continue
        if (definitions := of_streams.get((experiment, stream))) is None:
            definitions = of_streams[experiment, stream] = MetricDefinitions()
            for defined_in, data in found[experiment]:
                if defined_in in (stream, Experiment.default_stream):
                    definitions.add(data, is_default=defined_in != stream)
        if (definition := definitions.of(event, name)) is not None:
            members = {member: getattr(definition, member) for member in MetricDefinition.__match_args__}
            yield members | {"stream_number": number, "event": event, "name": name}


def _exact_best(connection: duckdb.DuckDBPyConnection, experiments: Mapping[str, Experiment]) -> Iterator[Row]:
    """Yield the rows of `best` for metrics with integers that the view `metrics` rounds."""
    for number, experiment, stream, event, name, direction in connection.execute(_ROUNDED).fetchall():
        sign = 1 if direction == "minimize" else -1
        best: tuple[float, int] | None = None
        try:
            for one in experiments[experiment].events(stream=stream):
                value = one.metrics.get(name) if one.name == event else None
                # Infinities and NaN give NaN.
                if value is not None and value - value == 0 and (best is None or sign * value < best[0]):
                    best = (sign * value, one.seq)
        except (MLVError, OSError):
            pass  # the view `problems` has the reason
        if best is not None:
            value = sign * best[0]
            nearest: float | None
            try:
                nearest = float(value)
            except OverflowError:  # the nearest float is an infinity, which JSON doesn't have
                nearest = None
            row = {"stream_number": number, "event": event, "name": name, "direction": direction}
            yield row | {"value": nearest, "seq": best[1]}


_DEFINED = """SELECT experiment, stream, CAST(data AS VARCHAR) FROM _events JOIN _streams ON stream_number = number
    WHERE event = 'mlv/metric' ORDER BY stream_number, _events.rowid"""

_SERIES = """SELECT DISTINCT stream_number, experiment, stream, event, name
    FROM _metrics JOIN _streams ON stream_number = number ORDER BY ALL"""

_ROUNDED = """SELECT DISTINCT stream_number, experiment, stream, event, name, direction
    FROM _metrics JOIN _definitions USING (stream_number, event, name) JOIN _streams ON stream_number = number
    WHERE is_rounded AND direction IS NOT NULL ORDER BY ALL"""

# The first of equal values is the best: the key has the seq, too.
_BEST = """CREATE TABLE _best AS
    SELECT stream_number, event, name, direction, best."value" AS "value", best.seq AS seq
    FROM (
        SELECT stream_number, event, name, direction,
            arg_min({'value': "value", 'seq': seq}, (if(direction = 'minimize', 1, -1) * "value", seq))
                FILTER (isfinite("value")) AS best
        FROM _metrics JOIN _definitions USING (stream_number, event, name)
        WHERE direction IS NOT NULL
        GROUP BY ALL HAVING NOT bool_or(is_rounded)
    ) WHERE best IS NOT NULL"""

_VIEWS = """INSERT INTO _best BY NAME FROM _exact_best;
CREATE VIEW definitions AS
    SELECT experiment, id, stream, event, name, direction, unit, description, axis
    FROM _definitions JOIN _streams ON stream_number = number;
CREATE VIEW best AS
    SELECT experiment, id, stream, event, name, direction, _best."value", seq, step
    FROM _best JOIN _streams ON stream_number = number
        JOIN (SELECT stream_number, event, name, seq, any_value(step) AS step FROM _metrics GROUP BY ALL)
        USING (stream_number, event, name, seq)"""
