"""Does one thing between two marks that strace can see: steps.py EXPERIMENT STEP."""

import os
import sys
from pathlib import Path

from mlvlogger import Exp
from reporting import Source, report, writer

directory, name = sys.argv[1].rsplit("/", 1)
step = sys.argv[2]


def mark(which: str) -> None:
    os.access(f"mark-{which}", os.F_OK)


Path("payload").write_bytes(bytes(range(256)) * 100)
if step == "start":
    mark("begin")
    exp = Exp(directory, name, {"a": 1}, **writer())
    report("record 1")
else:
    exp = Exp(directory, name, {"a": 1}, exists="resume", **writer())
    source = Source(exp)
    source.event()
    source.event()
    mark("begin")
if step == "event":
    source.event()
elif step == "attach":
    file = exp.attach("payload")
    report(f"file {file.path} {file.sha256}")
elif step == "create":
    with exp.create("made.bin") as new:
        new.write(b"made")
    report(f"file {new.ref.path} {new.ref.sha256}")
elif step == "add":
    other = Exp.open(exp.path, {"b": 2}, **writer())
    report("record 2")
    Source(other, name=".other").event()
elif step == "flush":
    source.event()
    exp.flush()
elif step == "pause":
    exp.log.pause("waiting")
    report("state paused")
elif step == "sub":
    sub = exp.sub("s", {"c": 3}, **writer())
    seq = sub.log.event("x", c=3)
    report(f"sub {seq}")
elif step == "close":
    exp.close()
    report("state completed")
mark("end")
if step == "start":
    Source(exp).event()
