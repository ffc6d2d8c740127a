"""A power cut after durability="disk": a file system forgets what was not brought to the disk, and is mounted again."""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from acks import Acks
from disks import NotHere, fresh, make_image, mount, own_mounts, unmount
from judge import judge
from next_session import log_next_session
from program import Program, holders
from rows import Row, Setting

__all__ = ["missing_files", "run", "up_to"]

_SHUTDOWN = 0x8004587D  # FS_IOC_SHUTDOWN of ext4 and xfs
_WITHOUT_FLUSH = 2  # not even the journal


def run(setting: Setting) -> Iterator[Row]:
    try:
        own_mounts()
        missing = ""
    except NotHere as error:
        missing = str(error)
    rounds = 20 if setting.long else 4
    for kind, size in (("ext4", "64M"), ("xfs", "300M")):
        yield _rounds(setting, Row(kind, not_run=missing), kind, size, rounds, "disk")
        if setting.writer == "direct":
            row = Row(f"{kind}, nothing synced", not_run=missing, control="lost")
            yield _rounds(setting, row, kind, size, 2, "kernel")


def _rounds(setting: Setting, row: Row, kind: str, size: str, rounds: int, durability: str) -> Row:
    if row.not_run:
        return row
    directory = setting.path / row.what.replace(" ", "-").replace(",", "")
    disk = directory / "disk"
    disk.mkdir(parents=True)
    try:
        image = make_image(directory / "image", kind, size)
        mount(image, disk)
    except NotHere as error:
        row.not_run = str(error)
        return row
    moments = random.Random(row.what)
    for number in range(rounds):
        experiment = disk / str(number)
        program = Program(directory, setting.writer, "durable", experiment, durability)
        row.expect(program.channel.wait(1, 20), f"round {number}: nothing was acknowledged. {program.errors}")
        time.sleep(moments.uniform(0.0, 0.6))
        cut = time.monotonic_ns()
        _cut(disk)
        time.sleep(0.02)  # in which the program meets what the cut has left
        program.kill(tree=True)
        for pid in holders(disk):  # of a program that the cut has ended before
            os.kill(pid, signal.SIGKILL)
        received, hangs = program.end(disk)
        received = up_to(
            received, cut
        )  # a sync that a shutdown interrupts may succeed; one in a power cut never returns
        row.hangs += hangs
        unmount(disk)
        image = fresh(image)
        mount(image, disk)
        row.rounds += 1
        row.add(judge(experiment, received), f"round {number}")
        for problem in missing_files(experiment, received):
            row.problems.append(f"round {number}: {problem}")
        if durability == "disk":
            log_next_session(experiment, setting.writer, received)
            row.add(judge(experiment, received), f"after round {number}", new=3)
    unmount(disk)
    return row


def _cut(disk: Path) -> None:
    descriptor = os.open(disk, os.O_RDONLY)
    try:
        fcntl.ioctl(descriptor, _SHUTDOWN, ctypes.c_uint32(_WITHOUT_FLUSH))
    finally:
        os.close(descriptor)


def missing_files(experiment: Path, received: Acks) -> Iterator[str]:
    """The attached files and the metadata records that were said to be there, and are not."""
    if received.kept and not (experiment / "meta.json").exists():
        yield "there is no meta.json"
    for note in received.notes:
        word, *words = note.split()
        if word == "attached":
            path, size, sha256, _ = words
            try:
                data = (experiment / path).read_bytes()
            except FileNotFoundError:
                yield f"{path} is missing"
                continue
            if (len(data), hashlib.sha256(data).hexdigest()) != (int(size), sha256):
                yield f"{path} is not what it was"
        elif word == "added" and not (experiment / f"meta/{words[0]}.json").exists():
            yield f"meta/{words[0]}.json is missing"


def up_to(received: Acks, when: int) -> Acks:
    """What was said up to a moment; the other events may be there or not."""
    kept = {key: place for key, place in received.kept.items() if received.times[key] <= when}
    notes = [
        note for note in received.notes if not note.startswith(("attached", "added")) or int(note.split()[-1]) <= when
    ]
    return Acks(received.sources, kept, received.times, received.refused | (received.kept.keys() - kept.keys()), notes)
