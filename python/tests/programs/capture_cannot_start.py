import os
import resource
import signal
import sys
import time
import warnings
from typing import Any
from unittest import mock

from mlvlogger import Exp
from programs.cells import Cells

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts tests in the background ignores it
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of a fork of a program with threads

sys.stdout, sys.stderr = Cells(), Cells()

exp = Exp("runs", "e")
with exp.capture("first"):
    pass  # what is opened once, such as libraries


def opened() -> list[str]:
    return sorted(os.listdir("/proc/self/fd"), key=int)[:-1]


def children() -> Any:
    try:
        return os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None


until = time.monotonic() + 60
while children() is not None and time.monotonic() < until:
    time.sleep(0.01)
before, hard = opened(), resource.getrlimit(resource.RLIMIT_NOFILE)[1]
refused = 0
for free in range(30):
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(before[-1]) + 1 + free, hard))
    try:
        capture = exp.capture(f"few-{free}")
    except OSError:
        refused += 1
    else:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        capture.stop()
        break
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    assert opened() == before, (free, opened(), before)
    assert children() is None
assert refused > 10 and os.path.exists(f"runs/e/log/few-{free}.jsonl"), refused
while opened() != before:
    time.sleep(0.01)
for step in ("os.dup", "os.pipe", "os.set_blocking", "os.posix_spawn", "threading.Thread.start"):
    for error in (OSError("no"), MemoryError(), RuntimeError("can't start new thread")):
        with mock.patch(step, side_effect=error):
            try:
                exp.capture(f"step-{step}")
                raise AssertionError(step)
            except type(error):
                pass
        assert opened() == before and children() is None, step
exp.close()
