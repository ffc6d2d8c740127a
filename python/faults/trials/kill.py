"""SIGKILL at a random moment of a burst: of the trainer alone, and of everything that came from it; then a resume.

With the process writer, what was acknowledged in the last milliseconds before everything is killed may be lost: that is
its documented window.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

from acks import Acks
from judge import judge
from program import Program
from rows import Row, Setting

__all__ = ["WINDOW", "run"]

#: Seconds before the end of its process and of the trainer, in which the process writer may lose what it was given.
WINDOW = 0.020

_SESSIONS = 3  # of one experiment, each of which has to begin with what the kill before it left


def run(setting: Setting) -> Iterator[Row]:
    rounds = 1000 if setting.long else 50
    yield _rounds(setting, "SIGKILL of the trainer alone", rounds)
    yield _rounds(setting, "SIGKILL of the trainer, 4 threads", rounds // 5, threads=4)
    yield _rounds(setting, "SIGKILL of the trainer, resumed at once", rounds // 5, patient=False)
    yield _rounds(setting, "SIGKILL of the whole tree", rounds // 5, tree=True)


def _rounds(
    setting: Setting, what: str, rounds: int, *, threads: int = 1, tree: bool = False, patient: bool = True
) -> Row:
    """Rounds of a burst and a kill.

    Args:
        tree: Kill everything that came from the trainer, too.
        patient: Wait until nobody has the files open before the next session begins.
    """
    row = Row(what)
    moments = random.Random(what)
    directory = setting.path / what.replace(" ", "-")
    directory.mkdir()
    torn = forgiven = 0
    for number in range(rounds):
        experiment = directory / f"e{number // _SESSIONS}"
        if number % _SESSIONS == 0:
            acks = Acks()
        program = Program(directory, setting.writer, "burst", experiment, 2**60, threads)
        if not program.channel.wait(1, 20):
            row.problems.append(f"round {number}: nothing was acknowledged. {program.errors}")
        time.sleep(moments.uniform(0, 0.1 if setting.long else 0.03))
        since = time.monotonic_ns() - int(WINDOW * 1e9)
        program.kill(tree)
        if not patient and (number + 1) % _SESSIONS:
            acks.add(program.channel.close())
            row.rounds += 1
            continue
        said, hangs = program.end(experiment)
        row.hangs += hangs
        acks.add(said)
        torn += _is_torn(experiment)
        judgement = judge(experiment, acks)
        if tree and setting.writer == "process":
            forgiven += acks.forgive(judgement.missing, since)
            judgement.missing = [key for key in judgement.missing if key in acks.kept]
        row.add(judgement, f"round {number}", new=len(said.kept))
        row.rounds += 1
        if (number + 1) % _SESSIONS == 0:
            program = Program(directory, setting.writer, "burst", experiment, 10)
            row.hangs += program.wait() is None
            said, hangs = program.end(experiment)
            row.hangs += hangs
            acks.add(said)
            row.add(judge(experiment, acks, sealed=True), f"after round {number}", new=len(said.kept))
    row.note = f"{torn} torn ends"
    if tree and setting.writer == "process":
        row.note += f"; {forgiven} events lost of the last {WINDOW * 1000:.0f} ms, which may be"
    return row


def _is_torn(experiment: Path) -> bool:
    streams = [experiment / "log.jsonl", *experiment.glob("log/*.jsonl")]
    return any(stream.read_bytes()[-1:] not in (b"", b"\n") for stream in streams)
