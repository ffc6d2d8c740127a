"""Logs what has to survive a power cut, in every way, until it is killed: durable.py EXPERIMENT DURABILITY.

What is acknowledged is said when it is on the disk: by the direct writer at once, by the process writer after a flush.
"""

import itertools
import os
import sys
from pathlib import Path

from mlvlogger import Exp
from said import Source, attempt, say, writer

path = Path(sys.argv[1])
is_direct = os.environ["MLV_FAULTS_WRITER"] == "direct"
exp = Exp(path.parent, path.name, {"lr": 0.1}, durability=sys.argv[2], **writer())
held: list[str] = []
tell = say if is_direct else held.append
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
        tell(f"attached {file.ref.path} {file.ref.size} {file.ref.sha256}")
    if number == 10:
        gpu = Source(exp, exp.stream("gpu"), ".gpu", tell)
    if number % 20 == 15:
        Exp.open(path, {f"more {number}": number}, durability=sys.argv[2], **writer()).close()
        tell(f"added {number // 20 + 2}")
    if not is_direct and number % 4 == 3:
        exp.flush()
        for line in held:
            say(line)
        held.clear()
