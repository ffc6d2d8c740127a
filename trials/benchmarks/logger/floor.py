"""What an event cannot do without: the steps of both writers, each alone, compared with P.

A step is a statement in a loop, less an empty one; what joins the steps, and looks whether all is well, is not in it.
"""

import json
import marshal
import os
import tempfile
import time
import timeit
from datetime import datetime, timezone
from pathlib import Path
from statistics import median
from threading import RLock
from typing import Any

from mlvlogger._format.line import line, numbers
from mlvlogger._write.process.ring import Ring

__all__ = ["DIRECT", "PROCESS", "ROUNDS", "STEPS", "measure"]

ROUNDS = 60
_TIMES = 500  # in a row: a moment short enough to be often undisturbed

#: Each step: what the page calls it, and the statement.
STEPS = {
    "call": ("a call with its data", "call('batch', data)"),
    "calls": ("two more calls inside", "pass_on(text, values, b'')\npass_on(text, values, b'')"),
    "numbers": ("names and types of the data, and a copy", "numbers(data)"),
    "lock": ("a lock, for threads and signal handlers", "with lock: pass"),
    "time": ("the time", "time_ns()"),
    "line": ("the text of the line", "line(41, nanoseconds, b'\"batch\"', text, values, b'')"),
    "write": ("the system call", "write(fd, ready)"),
    "marshal": (
        "a record that another process can read",
        "dumps((41, nanoseconds, b'\"batch\"', text, values, b''), 2)",
    ),
    "share": ("the record in shared memory", "memory[8192 : 8192 + len(record)] = record\nwords[0] = 8192"),
}
DIRECT = ("call", "calls", "numbers", "lock", "time", "line", "write")
PROCESS = ("call", "calls", "numbers", "lock", "time", "marshal", "share")

_P = """
row = {"seq": 41, "time": datetime.now(timezone.utc).isoformat(), "event": "batch", "data": data}
write(fd, (json.dumps(row) + "\\n").encode())
"""


def measure(rounds: int, base: Path | None) -> dict[str, Any]:
    """Seconds of P and of each step, and the ratio to P: medians of rounds in which each comes in turn."""
    with tempfile.TemporaryDirectory(dir=base) as place:
        names = _names(Path(place))
        timers = {
            name: timeit.Timer(text, globals=names)
            for name, text in [("empty", "pass"), ("P", _P), *((name, step[1]) for name, step in STEPS.items())]
        }
        found: dict[str, list[float]] = {name: [] for name in timers}
        for _ in range(rounds):
            for name, timer in timers.items():
                found[name].append(timer.timeit(_TIMES) / _TIMES)
        os.close(names["fd"])
    costs = {name: median(ones) - median(found["empty"]) for name, ones in found.items() if name != "empty"}
    return {name: {"median": cost, "ratio": cost / costs["P"]} for name, cost in costs.items()}


def _names(place: Path) -> dict[str, Any]:
    """What the statements work on."""
    data = {"step": 41, "loss": 0.8444218515250481, "accuracy": 0.1555781484749519, "lr": 0.0003}
    plain = numbers(data)
    assert plain is not None
    text, values = plain
    nanoseconds = time.time_ns()
    ring = os.memfd_create("floor")
    os.truncate(ring, Ring.memory_size)
    shared = Ring(ring)
    os.close(ring)

    def call(name: str, data: Any = None, /, **members: Any) -> None:
        pass

    def pass_on(text: bytes, values: Any, tail: bytes) -> None:
        pass

    return {
        **{"call": call, "pass_on": pass_on, "data": data, "text": text, "values": values, "nanoseconds": nanoseconds},
        **{"numbers": numbers, "line": line, "lock": RLock(), "time_ns": time.time_ns, "dumps": marshal.dumps},
        **{"write": os.write, "fd": os.open(place / "plain.jsonl", os.O_CREAT | os.O_WRONLY | os.O_APPEND)},
        **{"ready": line(41, nanoseconds, b'"batch"', text, values, b""), "words": shared.words, "json": json},
        **{"record": marshal.dumps((41, nanoseconds, b'"batch"', text, values, b""), 2), "memory": shared.memory},
        **{"datetime": datetime, "timezone": timezone},
    }
