"""Logs events that must survive a power cut, in every way, until it is killed: durable.py EXPERIMENT DURABILITY.

An acknowledgement is reported when it is on the disk: with the direct writer at once, with the process writer after a
flush. Until then, the event may be on the disk or not. Each such line ends with the time.
"""

import itertools
import os
import sys
import time
from pathlib import Path

from mlvlogger import Exp
from reporting import Source, attempt, report, writer

path = Path(sys.argv[1])
is_direct = os.environ["MLV_FAULTS_WRITER"] == "direct"
held: list[str] = []


def report_when_durable(line: str) -> None:
    """Report a line as soon as it is true of the disk."""
    word, *words = line.split()
    if is_direct or word in ("begin", "refused"):
        report(line)
        return
    held.append(line)
    if word == "kept":
        report(f"refused {words[0]} {words[1]}")


def release() -> None:
    """Report the lines that a flush has made true."""
    now = time.monotonic_ns()
    for line in held:
        report(f"{line.rpartition(' ')[0]} {now}")
    held.clear()


# To raise, since a flush that has only warned has brought nothing to the disk.
options = {"durability": sys.argv[2], "on_error": "raise", **writer()}
exp = Exp(path.parent, path.name, {"lr": 0.1}, **options)
source = Source(exp, report=report_when_durable)
gpu: Source | None = None
for number in itertools.count():
    attempt("event", source.event)
    if gpu is not None:
        attempt("event", gpu.event)
    if number % 5 == 4:
        with exp.create(f"{number}.bin") as file:
            file.write(os.urandom(number * 100))
        assert file.ref is not None
        report_when_durable(f"attached {file.ref.path} {file.ref.size} {file.ref.sha256} {time.monotonic_ns()}")
    if number == 10:
        gpu = Source(exp, exp.stream("gpu"), ".gpu", report_when_durable)
    if number % 20 == 15:
        Exp.open(path, {f"more {number}": number}, **options).close()
        report_when_durable(f"added {number // 20 + 2} {time.monotonic_ns()}")
    if not is_direct and number % 4 == 3:
        exp.flush()
        release()
