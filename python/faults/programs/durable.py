"""Logs what has to survive a power cut, in every way, until it is killed: durable.py EXPERIMENT DURABILITY.

What is acknowledged is said when it is on the disk: by the direct writer at once, by the process writer after a flush.
Each such line ends with the time.
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
tell = say if is_direct else held.append


def release() -> None:
    """Say what a flush has brought to the disk."""
    now = time.monotonic_ns()
    for line in held:
        said, _, last = line.rpartition(" ")
        say(f"{said} {now}" if line.startswith(("kept", "attached", "added")) else line)
    held.clear()


exp = Exp(path.parent, path.name, {"lr": 0.1}, durability=sys.argv[2], **writer())
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
        Exp.open(path, {f"more {number}": number}, durability=sys.argv[2], **writer()).close()
        tell(f"added {number // 20 + 2} {time.monotonic_ns()}")
    if not is_direct and number % 4 == 3:
        exp.flush()
        release()
