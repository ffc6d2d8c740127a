"""SIGKILL at a random moment of a burst: of the trainer alone, and of everything that came from it; then a resume."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

from acks import Acks
from judge import judge
from program import Program
from rows import Row, Setting

__all__ = ["run"]

_SESSIONS = 3


def run(setting: Setting) -> Iterator[Row]:
    rounds = 1000 if setting.long else 50
    yield _rounds(setting, "SIGKILL of the trainer alone", rounds, tree=False, threads=1)
    yield _rounds(setting, "SIGKILL of the trainer, 4 threads", rounds // 5, tree=False, threads=4)
    yield _rounds(setting, "SIGKILL of the whole tree", rounds // 5, tree=True, threads=1)


def _rounds(setting: Setting, what: str, rounds: int, *, tree: bool, threads: int) -> Row:
    row = Row(what)
    moments = random.Random(what)
    directory = setting.path / what.replace(" ", "-")
    directory.mkdir()
    for number in range(rounds):
        # So many sessions of one experiment, each of which has to begin with what the kill before it left.
        experiment = directory / f"e{number // _SESSIONS}"
        if number % _SESSIONS == 0:
            acks = Acks()
        program = Program(directory, setting.writer, "burst", experiment, 2**60, threads)
        if not program.channel.wait(1, 20):
            row.problems.append(f"round {number}: nothing was acknowledged. {program.errors}")
        time.sleep(moments.uniform(0, 0.1 if setting.long else 0.03))
        program.kill(tree)
        said, hangs = program.end(experiment)
        row.hangs += hangs
        acks.add(said)
        row.add(judge(experiment, acks), f"round {number}", new=len(said.kept))
        row.rounds += 1
        if (number + 1) % _SESSIONS == 0:
            program = Program(directory, setting.writer, "burst", experiment, 10)
            row.hangs += program.wait() is None
            said, hangs = program.end(experiment)
            row.hangs += hangs
            acks.add(said)
            row.add(judge(experiment, acks, sealed=True), f"after round {number}", new=len(said.kept))
    return row
