"""Writes an experiment in some way, prints `ready`, and ends after a line of input. Arguments: its path, the way."""

import os
import sys
import warnings
from typing import Any

from mlvlogger import Exp, Logger

warnings.simplefilter("ignore")
path, way = sys.argv[1:]
out = os.dup(1)
exp: Any = None


def fork() -> None:
    """Continue in a forked child, which outlives its parent."""
    if os.fork():
        os._exit(0)


if way == "the experiment":
    exp = Exp.resume(path)
elif way == "another process writes":
    exp = Exp.resume(path, writer="process")
elif way == "a worker":
    exp = Exp.join(path, 3)
elif way == "another script":
    exp = Exp.open(path)
elif way == "a stream":
    log = Logger(path + "/log/gpu.jsonl")
elif way == "a capture that outlives its program":
    exp = Exp.open(path)
    exp.capture()
    fork()  # the child has standard output
    exp = None
elif way == "a watch":
    exp = Exp.open(path)
    exp.watch()
    log = exp.log
    exp = None
elif way == "a forked child with a separate stream":
    exp = Exp.open(path)
    fork()
    exp.log.event("x")
elif way == "a forked child that has only a file":
    exp = Exp.open(path)
    fork()
    file = exp.create("new.bin")
    file.write(b"x")
    file.flush()
else:
    raise ValueError(way)
os.write(out, b"ready\n")
sys.stdin.readline()
