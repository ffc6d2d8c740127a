"""A disk that takes 50 ms a write, or hangs for a while: nothing is lost, and what it costs the caller is reported."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from injection import FOR_EVER, Fault, Injection, missing_compiler
from judge import judge
from mlvlogger import read
from program import Program
from rows import Row, Setting

__all__ = ["run"]


def run(setting: Setting) -> Iterator[Row]:
    seconds, hang = (10.0, 20) if setting.long else (1.5, 2)
    slow = Fault("write", 20, FOR_EVER, milliseconds=50)
    hung = Fault("write", 20, 1, milliseconds=hang * 1000)
    cases = [
        ("50 ms a write", slow, seconds, 0.001),
        ("50 ms a write, without a pause", slow, seconds, 0.0),
        (f"a write that takes {hang} s", hung, hang + 1.0, 0.001),
    ]
    if setting.writer == "process":  # its buffer is full then
        longer = max(hang, 6)
        hung = replace(hung, milliseconds=longer * 1000)
        cases.append((f"a write that takes {longer} s, without a pause", hung, longer + 1.0, 0.0))
    for what, fault, seconds, pause in cases:
        row = Row(what, not_run=missing_compiler())
        if not row.not_run:
            _try(setting, row, fault, seconds, pause)
        yield row


def _try(setting: Setting, row: Row, fault: Fault, seconds: float, pause: float) -> None:
    directory = setting.path / row.what.replace(" ", "-")
    directory.mkdir()
    experiment = directory / "e"
    injection = Injection(directory)
    program = Program(
        directory, setting.writer, "timed", experiment, seconds + 1, pause, environment=injection.environment
    )
    program.channel.wait(1, 20)
    time.sleep(1)  # a writer's process is ready then; before, the caller writes itself, and waits for the disk
    injection.arm(experiment, fault)
    status = program.wait()
    row.hangs += status is None
    row.expect(status == 0, f"the program died: {program.errors[-2000:]}")
    received, hangs = program.end(experiment)
    row.hangs += hangs
    row.expect(injection.hits[0] > 0, "no call was slow: the trial tried nothing")
    run = read(experiment)
    found = {(event.data["source"], event.data["number"]) for event in run.events()}
    dropped = sum(sum(event.data["reasons"].values()) for event in run.events("mlv/dropped", lifecycle=True))
    missing = len(received.refused - found)
    row.expect(
        missing == dropped, f"{missing} of {len(received.refused)} refused events are missing, {dropped} counted"
    )
    row.add(judge(experiment, received, sealed=True))
    row.rounds += 1
    for note in received.notes:
        if note.startswith("times "):
            events, median, p99, slowest, closing = map(float, note.split()[1:])
            row.note = (
                f"{events:.0f} events, a call took {median * 1e6:.0f} µs in the middle, {p99 * 1e3:.2f} ms at p99, "
                f"{slowest:.2f} s at most; close {closing:.2f} s"
            )
            row.hangs += setting.writer == "process" and slowest > 5
            if received.refused:
                row.note += f"; {len(received.refused) - dropped} events waited in memory, {dropped} more were counted"
        elif not received.refused:
            row.problems.append(note)
