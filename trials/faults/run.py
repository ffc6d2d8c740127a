"""Run the fault trials: real processes, real faults, and one judge of what is left.

    python trials/faults/run.py [--long] [--writer direct|process|both] [--output FILE] [trial …]

Prints a table, and why this machine could not run what it could not. Exits with 1 when a trial failed.
"""

from __future__ import annotations

import argparse
import importlib
import json
import multiprocessing
import os
import pkgutil
import platform
import shutil
import signal
import sys
import tempfile
import time
import traceback
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from typing import Any

import trials
from program import kill_all
from rows import Row, Setting

_COLUMNS = {
    "trial": "trial",
    "writer": "writer",
    "what was done": "what",
    "rounds": "rounds",
    "acknowledged": "acknowledged",
    "lost": "lost",
    "wrong": "wrong",
    "twice": "duplicated",
    "invented": "invented",
    "hangs": "hangs",
    "verdict": "verdict",
}


def main() -> int:
    """The command; returns its exit code."""
    names = sorted(module.name for module in pkgutil.iter_modules(trials.__path__))
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("trials", nargs="*", metavar="trial", help=f"by default all: {', '.join(names)}")
    parser.add_argument("--long", action="store_true", help="the long form: minutes instead of seconds")
    parser.add_argument("--writer", choices=("direct", "process", "both"), default="both")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="trials at a time (default: the CPUs)")
    parser.add_argument("--output", type=Path, help="write the results as JSON, too")
    arguments = parser.parse_args()
    if unknown := sorted(set(arguments.trials) - set(names)):
        parser.error(f"no such trial: {', '.join(unknown)}. There are: {', '.join(names)}.")
    writers = ["direct", "process"] if arguments.writer == "both" else [arguments.writer]
    jobs = [(name, writer, arguments.long) for name in arguments.trials or names for writer in _writers(name, writers)]
    # What nohup, or a shell that starts this in the background, ignores would be ignored by the programs, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    began = time.monotonic()
    # Spawned, so that a trial's process has one thread when it starts programs, and nothing of another trial.
    results: dict[int, list[dict[str, Any]]] = {}
    rows: list[dict[str, Any]] = []
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(arguments.jobs, spawn, max_tasks_per_child=1) as pool:
        running = {pool.submit(_run, *job): number for number, job in enumerate(jobs)}
        for done in as_completed(running):
            results[running[done]] = done.result()
            rows = [row for number in sorted(results) for row in results[number]]
            if arguments.output:  # after each trial: who ends a long run has what was done
                _write(arguments.output, arguments.long, time.monotonic() - began, rows)
    _print(rows)
    seconds = time.monotonic() - began
    failed = sum(row["verdict"] == "failed" for row in rows)
    omitted = sum(row["verdict"] == "not run" for row in rows)
    print(f"\n{len(rows) - failed - omitted} passed, {failed} failed, {omitted} not run, in {seconds:.0f} s")
    return 1 if failed else 0


def _write(path: Path, long: bool, seconds: float, rows: list[dict[str, Any]]) -> None:
    release = ".".join(platform.release().split(".")[:2])  # the rest names the machine
    system = f"{platform.system()} {release}"
    machine = {"system": system, "python": platform.python_version(), "cpus": os.cpu_count()}
    report = {"form": "long" if long else "quick", "machine": machine, "seconds": round(seconds)}
    short = [{name: value for name, value in row.items() if value} for row in rows]  # `page.py` adds the zeros
    lines = ",\n".join(json.dumps(row) for row in short)
    path.write_text(f'{json.dumps(report)[:-1]}, "rows": [\n{lines}\n]}}\n', encoding="utf-8")


def _writers(trial: str, writers: list[str]) -> list[str]:
    own = getattr(importlib.import_module(f"trials.{trial}"), "WRITERS", None)
    return writers if own is None else [writer for writer in own if writer in writers or writer == "-"]


def _run(trial: str, writer: str, long: bool) -> list[dict[str, Any]]:
    """The rows of one trial with one writer, as dicts."""
    path = Path(tempfile.mkdtemp(prefix=f"mlv-faults-{trial}-"))
    # As a process without a script, whose code is in the current directory: no git repository is there to check.
    os.chdir(path)
    del sys.modules["__main__"].__file__
    began = time.monotonic()
    rows: list[Row] = []
    try:
        for row in importlib.import_module(f"trials.{trial}").run(Setting(writer, long, path)):
            rows.append(row)
    except Exception:
        rows.append(Row("the trial itself", problems=[traceback.format_exc()]))
    finally:
        kill_all()
    failed = [row for row in rows if row.verdict == "failed"]
    if failed:
        failed[0].problems.append(f"what is left is in {path}")
    else:
        shutil.rmtree(path)
    print(f"{trial} ({writer}): {time.monotonic() - began:.1f} s", file=sys.stderr)
    return [{"trial": trial, "writer": writer, **asdict(row), "verdict": row.verdict} for row in rows]


def _print(results: list[dict[str, Any]]) -> None:
    table = [list(_COLUMNS), *([str(result[name]) for name in _COLUMNS.values()] for result in results)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        cells = zip(line, widths, strict=True)
        print("  ".join(c.rjust(w) if 3 <= n <= 9 else c.ljust(w) for n, (c, w) in enumerate(cells)).rstrip())
    for result in results:
        where = f"{result['trial']} ({result['writer']}), {result['what']}"
        if result["not_run"]:
            print(f"\nnot run: {where}: {result['not_run']}")
        if result["note"]:
            print(f"\nnote: {where}: {result['note']}")
        if result["verdict"] == "failed":
            problems = result["problems"]
            print(f"\nfailed: {where}", *problems[:10], *problems[10:][-1:], sep="\n  ")


if __name__ == "__main__":
    sys.exit(main())
