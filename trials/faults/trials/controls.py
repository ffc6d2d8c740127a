"""Negative controls: writers that are known to be wrong, each in its way, and the judge must see it."""

from __future__ import annotations

from collections.abc import Iterator

from acks import Acks
from judge import judge
from program import Program
from rows import Row, Setting

__all__ = ["WRITERS", "run"]

WRITERS = ("-",)

# What is done → the control, how its sessions end, and the column that must show it.
_CONTROLS = {
    "a buffered file, SIGKILL": ("buffered", ["kill"], "lost"),
    "a buffered file, fork": ("buffered", ["fork"], "duplicated"),
    "append after a torn line": ("naive", ["tear", "return"], "lost"),
    "a queue and a daemon thread, SIGKILL": ("thread", ["kill"], "lost"),
    "a queue and a daemon process, return": ("queue", ["return"], "lost"),
    "large integers as floats": ("rounding", ["return"], "wrong"),
    "an event that wasn't logged": ("naive", ["invent"], "invented"),
    "a program that hangs": ("naive", ["hang"], "hangs"),
}


def run(setting: Setting) -> Iterator[Row]:
    for what, (kind, ends, column) in _CONTROLS.items():
        row = Row(what, control=column)
        # Chance decides whether a thread or a process keeps up; in ten rounds it does not.
        while row.rounds < 10 and not getattr(row, column):
            directory = setting.path / f"{kind}-{ends[0]}-{row.rounds}"
            directory.mkdir()
            experiment = directory / "e"
            acks = Acks()
            for end in ends:
                program = Program(directory, "direct", "control", experiment, kind, 300, end)
                row.hangs += program.wait(2 if end == "hang" else 5) is None
                received, hangs = program.end(directory)
                row.hangs += hangs
                acks.add(received)
                if end == "tear":  # the last line is torn by a crash that came before its acknowledgement
                    acks.kept.popitem()
            row.add(judge(experiment, acks), what)
            row.rounds += 1
        yield row
