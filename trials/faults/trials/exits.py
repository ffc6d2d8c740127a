"""Every way a program can end without close(): what was acknowledged is there, and the next session continues."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator

from judge import judge
from mlvlogger import read
from program import Program
from rows import Row, Setting

__all__ = ["run"]

# The exit code that each must have: the logger changes nothing about how a program ends.
_CODES = {
    "return": 0,
    "exception": 1,
    "sys.exit": 3,
    "os._exit": 3,
    "os._exit in a thread": 3,
    "os.abort": -signal.SIGABRT,
    "SIGTERM": -signal.SIGTERM,
    "SIGTERM, recorded": 143,
    "SIGINT": -signal.SIGINT,
    "SIGHUP": -signal.SIGHUP,
    "a thread continues": 0,
    "a daemon thread continues": 0,
    "a daemon process continues": 0,
    "as a daemon": 0,
    "__del__": 0,
    "atexit": 0,
}


def run(setting: Setting) -> Iterator[Row]:
    moments = random.Random(7)
    for how, code in _CODES.items():
        row = Row(how)
        for number in range(8 if setting.long else 1):
            directory = setting.path / f"{how}-{number}".replace(" ", "-")
            directory.mkdir()
            experiment = directory / "e"
            program = Program(directory, setting.writer, "exits", experiment, how)
            if how.startswith("SIG"):
                row.expect(program.channel.wait(210, 20), f"it does not log: {program.errors}")
                time.sleep(moments.uniform(0, 0.02))
                program.process.send_signal(getattr(signal, how.partition(",")[0]))
            status = program.wait()
            row.hangs += status is None
            row.expect(status == code, f"it ended with {status} instead of {code}: {program.errors[-500:]}")
            acks, hangs = program.end(directory)
            row.hangs += hangs
            row.add(judge(experiment, acks), how)
            row.expect(len(acks.kept) >= 200, f"it was acknowledged {len(acks.kept)} events only")
            if how == "SIGTERM, recorded":
                row.expect(read(experiment).state == "paused", f"the state is {read(experiment).state}")
            program = Program(directory, setting.writer, "burst", experiment, 10)
            row.hangs += program.wait() is None
            received, hangs = program.end(directory)
            row.hangs += hangs
            acks.add(received)
            # A forked child's stream ends with its child, and isn't sealed later.
            sealed = not any("fork" in stream for stream in read(experiment).streams)
            row.add(judge(experiment, acks, sealed=sealed), f"after {how}", new=len(received.kept))
            row.rounds += 1
        yield row
