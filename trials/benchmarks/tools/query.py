"""How long `mlv_tools.connect` and a query of `metrics` take, compared with the same aggregate written by hand.

`python trials/benchmarks/tools/query.py` makes a tree with the logger in a temporary directory and prints a table.
Both sides read the same files, alternately, in one process, with all cores. A ratio is the median over the rounds.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

import mlv_tools
from mlvlogger import Exp

# The schema of `data` is declared, with the names that were logged: DuckDB makes columns while it parses.
BY_HAND = """SELECT filename, count(data.loss), avg(data.loss), count(data.accuracy), avg(data.accuracy)
FROM read_json($files, format='newline_delimited', filename=true, hive_partitioning=false, ignore_errors=true,
    columns={event: 'VARCHAR', data: 'STRUCT(loss DOUBLE, accuracy DOUBLE)'})
WHERE event = 'epoch/batch' GROUP BY ALL"""
# The same without a list of names: whatever number there is in `data`.
ANY_NAME = """SELECT filename, m.key, count(*), avg(CAST(m.value AS DOUBLE))
FROM read_json($files, format='newline_delimited', filename=true, hive_partitioning=false, ignore_errors=true,
    columns={event: 'VARCHAR', data: 'JSON'}) AS e, json_each(e.data) AS m
WHERE event = 'epoch/batch' AND m.key != 'step' AND m.type IN ('DOUBLE', 'BIGINT', 'UBIGINT') GROUP BY ALL"""
OURS = """SELECT experiment, name, count(*), avg(value) FROM metrics WHERE event = 'epoch/batch' GROUP BY ALL"""


def make(root: Path, events: int, experiments: int) -> None:
    """Experiments of epochs of 1,000 batches, each with a step and two metrics."""
    numbers = random.Random(1)
    for number in range(experiments):
        with Exp(root, f"run_{number:03}", {"seed": number}) as exp:
            for first in range(0, events // experiments, 1000):
                with exp.log.span("epoch", n=first // 1000) as epoch:
                    for step in range(first, min(first + 1000, events // experiments)):
                        epoch.event("batch", step=step, loss=numbers.random(), accuracy=numbers.random())


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--experiments", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    times: dict[str, list[float]] = {"declared": [], "any name": [], "connect": [], "query": []}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make(root, options.events, options.experiments)
        files = [str(path) for path in sorted(root.glob("*/log.jsonl"))]
        size = sum(Path(file).stat().st_size for file in files)
        for _ in range(options.rounds):
            plain = duckdb.connect()
            declared, rows = timed(lambda c=plain: c.execute(BY_HAND, {"files": files}).fetchall())
            any_name, long_rows = timed(lambda c=plain: c.execute(ANY_NAME, {"files": files}).fetchall())
            connect, connection = timed(lambda: mlv_tools.connect(root))
            query, ours = timed(lambda c=connection: c.execute(OURS).fetchall())
            for name, seconds in zip(times, (declared, any_name, connect, query), strict=True):
                times[name].append(seconds)
            counts = sorted((Path(name).parent.name, metric, n) for name, metric, n, _ in long_rows)
            assert counts == sorted((name, metric, n) for name, metric, n, _ in ours)
            assert sum(row[1] + row[3] for row in rows) == sum(n for _, _, n, _ in ours) == 2 * options.events
    print(
        f"DuckDB {duckdb.__version__}: {options.events:,} events in {options.experiments} experiments, {size:,} bytes"
    )
    print(f"{'':36}{'seconds':>8}{'/ declared':>12}{'/ any name':>12}")
    both = [a + b for a, b in zip(times["connect"], times["query"], strict=True)]
    for what, seconds in (
        ("by hand, names declared", times["declared"]),
        ("by hand, any name", times["any name"]),
        ("the query", times["query"]),
        ("connect", times["connect"]),
        ("connect and the query", both),
    ):
        ratios = [
            statistics.median(a / b for a, b in zip(seconds, times[other], strict=True))
            for other in ("declared", "any name")
        ]
        print(f"{what:36}{statistics.median(seconds):8.2f}{ratios[0]:12.2f}{ratios[1]:12.2f}")


if __name__ == "__main__":
    main()
