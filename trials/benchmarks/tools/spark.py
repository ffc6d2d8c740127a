"""How the cost of the views and of the verdicts grows with the number of experiments, on Spark and without it.

    PYSPARK_PYTHON=$(which python) python trials/benchmarks/tools/spark.py [--counts 100 1000 10000] [--long 1000000]

It writes trees into a temporary directory, starts a session `local[2]`, and prints tables in Markdown. Times are
seconds of one run each, and Spark's are without the start of the session, which is reported.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path

from mlv_tools import connect, spark
from mlvlogger import Exp


def timed(work):
    began = time.perf_counter()
    result = work()
    return result, time.perf_counter() - began


def session():
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[2]").appName("mlv").config("spark.driver.memory", "2g")
    for name, value in {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": "2",
    }.items():
        builder = builder.config(name, value)
    started = builder.getOrCreate()
    started.sparkContext.setLogLevel("ERROR")
    started.range(1).count()
    return started


def make(root, experiments, events):
    """Valid experiments with separate ids: the logger writes the first, and the others are made of its bytes."""
    with Exp(root, "exp-0", {"lr": 0.1}, kind="train") as exp:
        for step in range(events):
            exp.log.event("batch", step=step, loss=1 / (step + 1))
    meta = (exp.path / "meta.json").read_bytes()
    log = (exp.path / "log.jsonl").read_bytes()
    first = sha256(meta).hexdigest()
    for number in range(1, experiments):
        path = root / f"exp-{number}"
        path.mkdir()
        changed = meta.replace(b'"exp-0"', f'"exp-{number}"'.encode())
        (path / "meta.json").write_bytes(changed)
        # The digest in the seal is that of the bytes before it, and after it are `"}}` and a line feed.
        sealed = log.replace(first.encode(), sha256(changed).hexdigest().encode())[:-68]
        (path / "log.jsonl").write_bytes(sealed + sha256(sealed).hexdigest().encode() + b'"}}\n')


def on_duckdb(root):
    connection = connect(root)
    return connection.execute("SELECT count(*), sum(value) FROM metrics").fetchone()


def on_spark(started, root):
    views = spark.views(started, root)
    row = views.metrics.selectExpr("count(*)", "sum(value)").first()
    again = timed(lambda: views.metrics.selectExpr("count(*)", "sum(value)").first())[1]
    views.unpersist()
    return tuple(row), again


def by_declared_schema(started, root):
    """What Spark's own reader takes, for comparison: it takes for events also what is none."""
    frame = (
        started.read.schema("seq BIGINT, time STRING, event STRING, data STRUCT<step: BIGINT, loss: DOUBLE>")
        .option("recursiveFileLookup", "true")
        .option("pathGlobFilter", "*.jsonl")
        .json(str(root))
    )
    return frame.where("event = 'batch'").selectExpr("count(data.loss)", "sum(data.loss)").first()


def judged_by_spark(started, root):
    found = spark.validate(started, root)
    verdict, experiments = found.verdict, found.experiments.count()
    found.unpersist()
    return verdict, experiments


def judged_by_command(root):
    command = [str(Path(sys.executable).parent / "mlv-validate"), "--jobs", "2", "--quiet", str(root)]
    return subprocess.run(command, check=True, stdout=subprocess.DEVNULL).returncode


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--counts", type=int, nargs="*", default=[100, 1000, 10000])
    parser.add_argument("--events", type=int, default=20, help="of a small experiment")
    parser.add_argument("--long", type=int, default=1_000_000, help="events in 200 experiments; 0 to leave this out")
    options = parser.parse_args()
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    started, seconds = timed(session)
    print(f"start of the session: {seconds:.1f} s, load before: {os.getloadavg()[0]:.1f}", flush=True)
    with tempfile.TemporaryDirectory(prefix="mlv-") as folder:
        small = Path(folder) / "warm"
        make(small, 2, 2)
        on_spark(started, small)
        print(
            "\n| experiments | `connect` | `spark.views` | asked again | `mlv-validate --jobs 2` | `spark.validate` |"
        )
        print("| ---: | ---: | ---: | ---: | ---: | ---: |")
        for count in options.counts:
            root = Path(folder) / str(count)
            make(root, count, options.events)
            (expected, _), duck = timed(lambda root=root: on_duckdb(root))
            ((found, _), again), views = timed(lambda root=root: on_spark(started, root))
            assert found == expected
            _, command = timed(lambda root=root: judged_by_command(root))
            verdict, judged = timed(lambda root=root: judged_by_spark(started, root))
            assert verdict == ("valid", count), verdict
            times = " | ".join(f"{seconds:.1f}" for seconds in (duck, views, again, command, judged))
            print(f"| {count} | {times} |", flush=True)
        if options.long:
            root = Path(folder) / "long"
            make(root, 200, options.long // 200)
            (expected, _), duck = timed(lambda: on_duckdb(root))
            ((found, _), again), views = timed(lambda: on_spark(started, root))
            declared, json = timed(lambda: by_declared_schema(started, root))
            print("\n| events | `connect` | `spark.views` | asked again | Spark's own JSON reader |")
            print("| ---: | ---: | ---: | ---: | ---: |")
            print(f"| {options.long} | {duck:.1f} | {views:.1f} | {again:.1f} | {json:.1f} |")
            assert found == expected == 2 * declared[0] or found == expected == declared[0]
    started.stop()


if __name__ == "__main__":
    main()
