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

#: Events that its buffer holds at most: what it may lose where the machine is too busy to keep the window.
_HELD = 512 * 1024 // 120

_SESSIONS = 3  # of one experiment, each of which must begin with what the kill before it left


def run(setting: Setting) -> Iterator[Row]:
    rounds, fewer = (400, 40) if setting.long else (50, 10)
    late = (30_000, 70_000) if setting.long else (2000, 4000)
    yield _rounds(setting, Row("SIGKILL of the trainer alone"), rounds)
    yield _rounds(setting, Row("SIGKILL of the trainer, 4 threads"), fewer, threads=4)
    yield _rounds(setting, Row("SIGKILL of the trainer, resumed at once"), fewer, patient=False)
    yield _rounds(setting, Row("SIGKILL of the trainer, late"), 6 if setting.long else 1, events=late)
    yield _rounds(setting, Row("SIGKILL of the whole tree"), fewer, tree=True, started=True)
    yield _rounds(setting, Row("SIGKILL of the whole tree, early"), fewer, tree=True)


def _rounds(
    setting: Setting,
    row: Row,
    rounds: int,
    *,
    events: tuple[int, int] = (0, 600),
    threads: int = 1,
    tree: bool = False,
    started: bool = False,
    patient: bool = True,
) -> Row:
    """Rounds of a burst and a kill.

    Args:
        events: So many are acknowledged before the kill, at least and at most, or a few more.
        tree: Kill everything that came from the trainer, too.
        started: Wait until the process writer is at work, which takes a while when it starts.
        patient: Wait until no one has the files open before the next session begins.
    """
    moments = random.Random(row.what)
    directory = setting.path / row.what.replace(" ", "-")
    directory.mkdir()
    torn = forgiven = late = 0
    for number in range(rounds):
        experiment = directory / f"e{number // _SESSIONS}"
        if number % _SESSIONS == 0:
            acks = Acks()
        program = Program(directory, setting.writer, "burst", experiment, 2**60, threads)
        row.expect(program.channel.wait(1, 20), f"round {number}: nothing was acknowledged. {program.errors}")
        if started:
            program.wait_for_children()
        program.channel.wait(program.channel.lines + moments.randrange(*events), 60)
        time.sleep(moments.uniform(0, 0.001))
        since = time.monotonic_ns() - int(WINDOW * 1e9)
        program.kill(tree)
        row.rounds += 1
        is_last = row.rounds % _SESSIONS == 0 or row.rounds == rounds
        if not patient and not is_last:
            acks.add(received := program.channel.close())
            row.acknowledged += len(received.kept)
            continue
        received, hangs = program.end(experiment)
        row.hangs += hangs
        acks.add(received)
        torn += _is_torn(experiment)
        judgement = judge(experiment, acks)
        if tree and setting.writer == "process":
            forgiven += (recent := judgement.forgive(acks, since))
            late += (older := judgement.forgive(acks, 0))
            row.expect(recent + older <= _HELD, f"round {number}: {recent + older} events were lost")
        row.add(judgement, f"round {number}", new=len(received.kept))
        if is_last:
            program = Program(directory, setting.writer, "burst", experiment, 10)
            row.hangs += program.wait() is None
            received, hangs = program.end(experiment)
            row.hangs += hangs
            acks.add(received)
            row.add(judge(experiment, acks, sealed=True), f"after round {number}", new=len(received.kept))
    row.note = f"{torn} torn ends"
    if tree and setting.writer == "process":
        row.note += f"; {forgiven} events of the last {WINDOW * 1000:.0f} ms were lost, which they may be"
        row.note += f", and {late} older ones, on a machine that was busy" if late else ""
    return row


def _is_torn(experiment: Path) -> bool:
    streams = [experiment / "log.jsonl", *experiment.glob("log/*.jsonl")]
    return any(stream.read_bytes()[-1:] not in (b"", b"\n") for stream in streams)
