"""Write experiments into the current directory, with the `mlvlogger` that is on the path: `python write.py [broken]`.

The loggers of all drafts and the present one have the names that this program uses. `make.py` runs it with those of the
drafts, and `test_drafts.py` with the present one. With the argument `broken`, it writes one experiment of a script in a
repository that git can't read.
"""

import importlib
import os
import platform
import resource
import shutil
import signal
import subprocess
import sys
import time
import warnings
from datetime import date, datetime, timedelta, timezone
from datetime import time as time_of_day
from pathlib import Path

from mlvlogger import EventRef, Exp, ExperimentRef, External, Logger, Opaque

DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
VALUES = {
    "integer": 2**60,
    "float": 0.1,
    "not-finite": [float("nan"), float("inf"), -float("inf"), -0.0],
    "text": 'é\x00\u2028"\\/\U0001f600',
    "lone-surrogate": "a\ud800",
    "datetime": datetime(2026, 11, 22, 18, 24, 0, 500000, timezone(timedelta(hours=1))),
    "datetime-local": datetime(2026, 11, 22, 18, 24),
    "date": date(2026, 11, 22),
    "time": time_of_day(18, 24),
    "duration": timedelta(seconds=-0.5),
    "bytes": b"\x00\xff",
    "external": External("/data/a.bin", "host", 1, DIGEST, "2026-11-22T18:24:00.000000Z"),
    "experiment": ExperimentRef(f"sha256:{DIGEST}", ".."),
    "event": EventRef(f"sha256:{DIGEST}", "log.jsonl", 3),
    "opaque": Opaque({"_mlv": "com.example.tensor", "shape": [1, 2]}),
    "escaped": {"_mlv": 1, "__mlv": 2},
    "password": "hunter2hunter2",
    "nested": {"none": None, "true": True, "list": [[], {}]},
}
KILLED = """
import os, signal
from mlvlogger import Exp
exp = Exp(".", {name!r}, {{"lr": 0.1}})
for step in range(3):
    exp.log.event("batch", step=step)
exp.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""


def values() -> None:
    """Every type of value, in parameters, `extra` and events; tags and a description."""
    with Exp(".", "values", VALUES, "train", tags=["a", "é"], description="first\nsecond", extra=VALUES) as exp:
        exp.log.event("values", VALUES)
        exp.log.event("unencodable", value=object())
        exp.log.event("numbers", step=1, loss=float("nan"), count=2)


def lifecycle() -> None:
    """Spans, streams, attached files, pauses, rewinds, captured output, a sub-experiment, additions and workers."""
    with Exp(".", "lifecycle", {"lr": 0.1}, "train", variables=["HOME"]) as exp:
        with exp.log.span("epoch", number=1) as epoch:
            with epoch.span("batch", step=0) as batch:
                batch.event("loss", value=1.5)
        mark = exp.mark()
        exp.stream("gpu").event("load", percent=99)
        exp.log.event("superseded")
        exp.rewind(mark, "diverged")
        exp.log.pause("preempted")
        exp.log.resume()
        Path("model.bin").write_bytes(b"weights")
        exp.log.event("checkpoint", file=exp.attach("model.bin", "models/1.bin"))
        with exp.create("notes.txt", "w") as notes:
            notes.write("noted\n")
        os.remove("model.bin")
        with exp.capture():
            print("captured", flush=True)
            print("\x1b[31mred\x1b[0m", file=sys.stderr, flush=True)
        with exp.sub("pruned", {"ratio": 0.5}, "prune") as sub:
            sub.log.event("done")
        if hasattr(os, "fork") and (pid := os.fork()) == 0:
            exp.log.event("worker")
            os._exit(0)
        os.waitpid(pid, 0)
        with Exp.join("lifecycle", 1) as worker:
            worker.log.event("joined")
    with Exp.open("lifecycle", params={"later": 1}, tags=["evaluated"], description="evaluation") as exp:
        exp.log.event("accuracy", value=0.5)
    with Exp.resume("lifecycle", params={"again": [1, 2]}) as exp:
        exp.log.event("continued")


def process() -> None:
    """The process writer."""
    with Exp(".", "process", writer="process") as exp:
        for step in range(20):
            exp.log.event("batch", step=step, loss=1 / (step + 1))


def ends() -> None:
    """Experiments that failed, were interrupted, paused or killed; and a log without an experiment."""
    try:
        with Exp(".", "failed"):
            raise ValueError("diverged")
    except ValueError:
        pass
    Exp(".", "interrupted").close("interrupted")
    with Exp(".", "paused") as exp:
        exp.log.pause()
    for name in ("killed", "torn", "recovered"):
        done = subprocess.run([sys.executable, "-S", "-c", KILLED.format(name=name)])
        assert done.returncode == -signal.SIGKILL
    for name in ("torn", "recovered"):
        os.truncate(f"{name}/log.jsonl", os.path.getsize(f"{name}/log.jsonl") - 5)
    with Exp.resume("recovered") as exp:
        exp.log.event("after")
    with Logger("bare.jsonl") as log:
        log.event("alone")


def refused() -> None:
    """A file system that is full for a while, so that events are dropped."""
    for place in ("_streams._BACKLOG", "_write.backlog.MAX_SIZE"):
        module, _, name = place.rpartition(".")
        try:
            setattr(importlib.import_module(f"mlvlogger.{module}"), name, 300)
        except ImportError:
            pass
    with Exp(".", "dropped") as exp:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (os.path.getsize("dropped/log.jsonl"), before[1]))
        for step in range(10):
            exp.log.event("batch", step=step)
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        exp.log.event("after")


def replaced() -> None:
    """Another program replaces the log. The logger of the first draft didn't notice it."""
    try:
        importlib.import_module("mlvlogger._write.relocation")
    except ImportError:
        return
    for how in ("edited", "removed"):
        with Exp(".", how) as exp:
            exp.log.event("before")
            if how == "edited":
                shutil.copyfile(f"{how}/log.jsonl", "copy")
                os.replace("copy", f"{how}/log.jsonl")
                with open(f"{how}/log.jsonl", "ab") as log:
                    log.write(b"\n")
            else:
                os.remove(f"{how}/log.jsonl")
            time.sleep(1.1)
            exp.log.event("after")


def main(part: str = "") -> None:
    warnings.simplefilter("ignore")
    system = platform.uname()._replace(node="host", release="6.1")
    platform.uname = lambda: system
    if part == "broken":
        Exp(".", "broken-repository").close()
        return
    for write in (values, lifecycle, process, ends, refused, replaced):
        write()


if __name__ == "__main__":
    main(*sys.argv[1:])
