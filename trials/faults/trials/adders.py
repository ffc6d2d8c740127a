"""Several scripts add records to one experiment at once, and some are killed at any point."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

from acks import Acks
from judge import judge
from mlvlogger import read
from next_session import log_next_session
from program import Program
from rows import Row, Setting

__all__ = ["run"]

_AT_ONCE = 4


def run(setting: Setting) -> Iterator[Row]:
    row = Row(f"{_AT_ONCE} scripts add at once, half of them killed")
    moments = random.Random(3)
    acks, killed, late = Acks(), 0, 0
    experiment = setting.path / "e"
    for number in range(60 if setting.long else 8):
        if number % 10 == 0:  # a chain of records that grows all the time would be all that is measured
            acks = Acks()
            experiment = setting.path / f"e{number}"
            log_next_session(experiment, setting.writer, acks)
        programs = []
        for script in range(_AT_ONCE):
            directory = setting.path / f"{number}-{script}"
            directory.mkdir()
            programs.append(Program(directory, setting.writer, "adder", experiment, script + number * _AT_ONCE))
        for program in programs[::2]:
            if moments.random() < 0.5:  # else while it starts, or makes its record
                program.channel.wait(1, 20)
            time.sleep(moments.uniform(0, 0.1))
            program.kill()
            killed += program.process.returncode == -9
        new = 0
        for program in programs:
            status = program.wait()
            row.hangs += status is None
            row.expect(status in (0, -9), f"round {number}: a script ended with {status}: {program.errors[-500:]}")
            received, hangs = program.end(experiment)
            row.hangs += hangs
            new += len(received.kept)
            acks.add(received)
            late += status == -9 and bool(received.notes)
        row.add(judge(experiment, acks), f"round {number}", new=new)
        params = read(experiment).params
        for note in acks.notes:
            what, script = note.split(" ")
            row.expect(params.get(f"added_{script}") == int(script), f"round {number}: {note}, it says, and it is not")
        row.rounds += 1
    row.note = f"{killed} killed, {late} of them after their record"
    yield row
