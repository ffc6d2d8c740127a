"""Forked, spawned and threaded workers on one experiment: all there, each in a separate stream, and nothing hangs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from acks import Acks
from judge import judge
from mlvlogger import read
from program import Program
from rows import Row, Setting

__all__ = ["run"]

# What is done → the kind, workers and events of each.
_KINDS = {
    "os.fork, 4 children": ("fork", 4, 100),
    "os.fork again every epoch": ("epochs", 8, 20),
    "os.fork, children leave by sys.exit": ("exits", 4, 20),
    "os.fork while 3 threads log": ("busy", 10, 5),
    "multiprocessing, fork": ("fork pool", 4, 100),
    "multiprocessing, spawn": ("spawn", 2, 100),
    "multiprocessing, forkserver": ("forkserver", 2, 100),
    "workers of a data loader, 2 epochs": ("loader", 4, 100),
    "32 threads on one logger": ("threads", 32, 50),
}


def run(setting: Setting) -> Iterator[Row]:
    for what, (kind, workers, events) in _KINDS.items():
        yield _rounds(setting, what, kind, workers, events * 10 if setting.long else events, 10 if setting.long else 1)
    events = 10_000 if setting.long else 1_000
    yield _rounds(setting, f"16 processes × {events} events", "fork", 16, events, 1)


def _rounds(setting: Setting, what: str, kind: str, workers: int, events: int, rounds: int) -> Row:
    row = Row(what)
    for number in range(rounds):
        directory = setting.path / f"{what}-{number}".replace(" ", "-")
        directory.mkdir()
        experiment = directory / "e"
        program = Program(directory, setting.writer, "workers", experiment, kind, workers, events)
        status = program.wait(120 if setting.long else 30)
        row.hangs += status is None
        row.expect(status == 0, f"it ended with {status}: {program.errors[-1000:]}")
        acks, hangs = program.end(directory)
        row.hangs += hangs
        row.add(judge(experiment, acks), what)
        _attributable(experiment, acks, row)
        row.rounds += 1
    return row


def _attributable(experiment: Path, acks: Acks, row: Row) -> None:
    """Each process has a separate stream, which contains its pid; the names of callers begin with theirs."""
    run = read(experiment)
    pids: dict[str, set[str]] = {stream: set() for stream in run.streams}
    for (source, _), (stream, _) in acks.kept.items():
        pids[stream].add(source.partition(".")[0])
    for stream, found in pids.items():
        reported = {str(event.data["pid"]) for event in run.events("mlv/start", stream=stream, lifecycle=True)}
        row.expect(reported == found, f"{stream} says it is of process {reported} and has events of {found}")
