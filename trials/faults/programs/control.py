"""Writers that are known to be wrong, for the negative controls: control.py EXPERIMENT KIND EVENTS HOW_IT_ENDS.

They write lines of the right form, into a stream of the experiment; what is wrong is when and how.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import queue
import signal
import sys
import threading
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, BinaryIO

from events import data
from mlvlogger import Exp
from reporting import Source


class Control:
    """Numbers its lines on from what is in the file, and hands them to `put`."""

    buffering = 0

    def __init__(self, exp: Exp) -> None:
        self.file = exp.path / "log" / "control.jsonl"
        self.file.parent.mkdir(exist_ok=True)
        if not self.file.exists():
            first = exp.log.file.read_bytes().split(b"\n")[0] + b"\n"  # an mlv/start, which every stream begins with
            self.file.write_bytes(first)
        self.seq = self.file.read_bytes().count(b"\n")
        self.open = self.file.open("ab", buffering=self.buffering)
        self.begin()

    def begin(self) -> None:
        """Start what there is to start."""

    def put(self, line: bytes) -> None:
        """Write a line, or see to it that it will be."""
        self.open.write(line)

    def event(self, name: str, data: dict[str, Any]) -> int:
        """As `Logger.event`; the one value that JSON has no number for is written as the specification wants it."""
        self.seq += 1
        time = datetime.now(timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")
        tree = {**data, "seed": {"_mlv": "int", "value": str(data["seed"])}}
        event = {"seq": self.seq, "time": time, "event": name, "data": tree}
        self.put(json.dumps(event).encode() + b"\n")
        return self.seq


class Buffered(Control):
    """A file object with Python's own buffer."""

    buffering = 8192


class Naive(Control):
    """Appends to the bytes that a crash left after the last line feed."""


class Rounding(Control):
    """Has only floats."""

    def put(self, line: bytes) -> None:
        tree = json.loads(line)
        tree["data"]["seed"] = float(tree["data"]["seed"]["value"])
        self.open.write(json.dumps(tree).encode() + b"\n")


class QueueThread(Control):
    """A daemon thread writes what it gets by a queue."""

    def begin(self) -> None:
        self.queue: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        threading.Thread(target=_drain, args=(self.queue, self.open), daemon=True).start()

    def put(self, line: bytes) -> None:
        self.queue.put(line)


class QueueProcess(Control):
    """A daemon process writes what it gets by a multiprocessing queue."""

    def begin(self) -> None:
        context = multiprocessing.get_context("fork")
        self.queue: multiprocessing.Queue[bytes] = context.Queue()
        context.Process(target=_drain, args=(self.queue, self.open), daemon=True).start()

    def put(self, line: bytes) -> None:
        self.queue.put(line)


def _drain(lines: Any, file: BinaryIO) -> None:
    while True:
        file.write(lines.get())


directory, name = sys.argv[1].rsplit("/", 1)
kind, events, end = sys.argv[2], int(sys.argv[3]), sys.argv[4]
controls = {"buffered": Buffered, "naive": Naive, "rounding": Rounding, "thread": QueueThread, "queue": QueueProcess}
exp = Exp(directory, name, exists="resume")
source = Source(exp, controls[kind](exp))
for _ in range(events):
    source.event()
if end == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
elif end == "fork" and os.fork() == 0:
    sys.exit()  # which writes what the parent has in its buffer, too
elif end == "invent":
    source.log.event("batch", data("invented", 0))
elif end == "hang":
    signal.pause()
elif end == "tear":
    path = Path(source.log.file)
    os.truncate(path, path.stat().st_size - 20)
