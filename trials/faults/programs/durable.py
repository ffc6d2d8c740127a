"""Logs events that must survive a power cut, in every way, until it is killed: durable.py EXPERIMENT DURABILITY.

What is acknowledged is said when it is on the disk: by the direct writer at once, by the process writer after a flush,
and until then it may be there or not. Each such line ends with the time.
"""

import itertools
import os
import sys
import time
from pathlib import Path

from mlvlogger import Exp
from said import Source, attempt, say, writer

path = Path(sys.argv[1])
is_direct = os.environ["MLV_FAULTS_WRITER"] == "direct"
held: list[str] = []


def tell(line: str) -> None:
    """Say a line when it is true."""
    word, *words = line.split()
    if is_direct or word in ("begin", "refused"):
        say(line)
        return
    held.append(line)
    if word == "kept":
        say(f"refused {words[0]} {words[1]}")


def release() -> None:
    """Say what a flush has brought to the disk."""
    now = time.monotonic_ns()
    for line in held:
        say(f"{line.rpartition(' ')[0]} {now}")
    held.clear()


# To raise, since a flush that has only warned has brought nothing to the disk.
options = {"durability": sys.argv[2], "on_error": "raise", **writer()}
exp = Exp(path.parent, path.name, {"lr": 0.1}, **options)
source = Source(exp, say=tell)
gpu: Source | None = None
for number in itertools.count():
    attempt("event", source.event)
    if gpu is not None:
        attempt("event", gpu.event)
    if number % 5 == 4:
        with exp.create(f"{number}.bin") as file:
            file.write(os.urandom(number * 100))
        assert file.ref is not None
        tell(f"attached {file.ref.path} {file.ref.size} {file.ref.sha256} {time.monotonic_ns()}")
    if number == 10:
        gpu = Source(exp, exp.stream("gpu"), ".gpu", tell)
    if number % 20 == 15:
        Exp.open(path, {f"more {number}": number}, **options).close()
        tell(f"added {number // 20 + 2} {time.monotonic_ns()}")
    if not is_direct and number % 4 == 3:
        exp.flush()
        release()
