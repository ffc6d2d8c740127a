"""How long a report takes, compared with its query and the start of the drawing library; and the size of its page.

`python trials/benchmarks/tools/report.py [--experiments 20] [--events 5000]`: each in a separate process,
best of three.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from mlvlogger import Exp

QUERY = """
import sys, time, warnings
start = time.perf_counter()
from mlv_tools import connect
with connect(sys.argv[1]) as connection:
    connection.execute(
        "select experiment, stream, event, name, count(*), min(value), max(value) from metrics group by all"
    ).fetchall()
print(time.perf_counter() - start)
"""
LIBRARY = """
import time
start = time.perf_counter()
import vl_convert
vl_convert.javascript_bundle()
print(time.perf_counter() - start)
"""
REPORT = """
import sys, time
start = time.perf_counter()
from pathlib import Path
from mlv_tools._report.collect import collect
from mlv_tools._report.page import page
data = collect(sys.argv[1])
Path(sys.argv[2]).write_text(page(data["title"], data), encoding="utf-8")
print(time.perf_counter() - start)
"""


def write(root: Path, experiments: int, events: int) -> None:
    """Experiments with two metrics, each a NaN now and then, and a span for each thousand events."""
    for number in range(experiments):
        with Exp(root, f"exp-{number:03}", {"lr": 10.0 ** -(number % 5), "seed": number}) as exp:
            for first in range(0, events, 1000):
                with exp.log.span("epoch", n=first // 1000) as epoch:
                    for step in range(first, min(events, first + 1000)):
                        loss = (
                            float("nan")
                            if step % 9973 == 9972
                            else (1 + number / 50) / (1 + step / 500) + step * 7 % 13 / 50
                        )
                        epoch.event("batch", step=step, loss=loss, accuracy=1 - loss / 4)


def seconds(program: str, *arguments: object) -> float:
    """The least of three runs."""
    command = [sys.executable, "-W", "ignore", "-c", program, *map(str, arguments)]
    return min(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout) for _ in range(3))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=20)
    parser.add_argument("--events", type=int, default=5000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        root, out = Path(directory, "runs"), Path(directory, "report.html")
        write(root, options.experiments, options.events)
        query, library, report = seconds(QUERY, root), seconds(LIBRARY), seconds(REPORT, root, out)
        bound = 3 * query + library
        result = {"query": query, "library": library, "report": report, "report / (3 query + library)": report / bound}
        result = {name: round(value, 3) for name, value in result.items()}
        print(
            json.dumps(
                {
                    "experiments": options.experiments,
                    "events": options.events,
                    **result,
                    "page_mb": out.stat().st_size / 1e6,
                }
            )
        )


if __name__ == "__main__":
    main()
