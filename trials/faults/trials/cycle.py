"""Training that is ended in some way again and again, and continues each time from its checkpoint with a rewind."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator

from acks import Acks
from judge import judge
from mlvlogger import read
from program import Program
from rows import Row, Setting
from trials.kill import WINDOW

__all__ = ["run"]

_EPOCHS, _STEPS = 6, 50
_SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP")
_INSIDE = ("exception", "sys.exit", "os._exit", "os.abort")


def run(setting: Setting) -> Iterator[Row]:
    for end in (*_SIGNALS, "SIGKILL of the tree", *_INSIDE):
        row = Row(f"ended by {end}, continued, complete")
        for number in range(8 if setting.long else 1):
            _training(setting, end, number, row)
        yield row


def _training(setting: Setting, end: str, number: int, row: Row) -> None:
    directory = setting.path / f"{end}-{number}".replace(" ", "-")
    directory.mkdir()
    experiment = directory / "e"
    rng = random.Random(f"{end} {number}")
    acks = Acks()
    for session in range(4):
        last = session == 3
        arguments = [end] if end in _INSIDE and not last else []
        program = Program(directory, setting.writer, "train", experiment, _EPOCHS, _STEPS, *arguments)
        if end not in _INSIDE and not last:
            program.channel.wait(rng.randrange(1, _EPOCHS * _STEPS // 3), 20)
            if end in _SIGNALS:
                program.process.send_signal(signal.Signals[end])
            else:
                program.kill(tree=True)
        since = time.monotonic_ns() - int(WINDOW * 1e9)
        status = program.wait()
        row.hangs += status is None
        received, hangs = program.end(directory)
        row.hangs += hangs
        acks.add(received)
        label = f"session {session} of {number}"
        row.expect(status == 0 or not last, f"{label} ended with {status}: {program.errors[-500:]}")
        judgement = judge(experiment, acks, sealed=status == 0)
        if end == "SIGKILL of the tree" and setting.writer == "process":
            judgement.forgive(acks, since)
        row.add(judgement, label, new=len(received.kept))
        if status == 0:  # complete, or faster than we were
            break
    row.rounds += 1
    run = read(experiment)
    names = [event.name for event in run.events("epoch/step-*")]
    expected = [f"epoch/step-{step}" for step in range(1, _EPOCHS * _STEPS + 1)]
    row.expect(names == expected, f"{number}: the steps that are left are not each there once, in order")
    row.expect(run.state == "completed", f"{number}: the state is {run.state}")
