"""A power cut at any point: the writes to the disk are replayed up to it, and after the last flush in any form."""

from __future__ import annotations

import importlib.util
import os
import random
import shutil
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from acks import Acks
from disks import NotHere, do, make_image, mount, own_mounts, unmount
from judge import judge
from program import Program
from rows import Row, Setting
from trials.power_cut import missing_files, up_to

__all__ = ["run"]

_SECTOR = 512  # bytes that a disk writes whole or not at all
_FORMS = ("whole", "some", "reordered", "torn")


def run(setting: Setting) -> Iterator[Row]:
    missing = _missing()
    states = 200 if setting.long else 24
    kinds = (("ext4", "24M"), ("xfs", "300M")) if setting.long else (("ext4", "24M"),)
    for kind, size in kinds:
        yield _replay(setting, Row(f"{kind}, replayed", not_run=missing), kind, size, states, "disk")
    if setting.writer == "direct":
        row = Row("ext4, nothing synced", not_run=missing, control="lost")
        yield _replay(setting, row, "ext4", "24M", 5, "kernel")


def _missing() -> str:
    try:
        own_mounts()
    except NotHere as error:
        return str(error)
    if not os.path.exists("/dev/fuse"):
        return "there is no /dev/fuse"
    if importlib.util.find_spec("mfusepy") is None:
        return "mfusepy is not installed"
    return ""


@dataclass(frozen=True)
class _Entry:
    time: int  # nanoseconds of the monotonic clock
    offset: int
    data: bytes | None  # None for a flush


def _replay(setting: Setting, row: Row, kind: str, size: str, states: int, durability: str) -> Row:
    if row.not_run:
        return row
    directory = setting.path / row.what.replace(" ", "-").replace(",", "")
    directory.mkdir()
    try:
        first = make_image(directory / "image", kind, size)
        received, entries = _record(setting, directory, first, durability, 4.0 if setting.long else 1.2)
    except NotHere as error:
        row.not_run = str(error)
        return row
    rng = random.Random(row.what)
    done = 0
    flushed = directory / "flushed"
    shutil.move(first.with_suffix(".first"), flushed)
    disk = directory / "disk"
    # In order, so that the image at the last flush grows with them.
    for end in sorted(rng.randrange(1, len(entries)) for _ in range(states)):
        last = max((number for number in range(end) if entries[number].data is None), default=-1) + 1
        _write(flushed, entries[done:last])
        done = max(done, last)
        form = rng.choice(_FORMS)
        state = directory / f"state-{row.rounds}"  # a new file each time, for the reason that `fresh` gives
        do("cp", "--sparse=always", flushed, state)
        _write(state, _form(entries[done:end], form, rng))
        mount(state, disk, "nouuid" if kind == "xfs" else "")
        before = up_to(received, entries[end - 1].time)
        label = f"{end} of {len(entries)} entries, {end - done} of them after the last flush, {form}"
        row.add(judge(disk / "e", before), label, new=0)
        row.problems += [f"{label}: {problem}" for problem in missing_files(disk / "e", before)]
        row.rounds += 1
        unmount(disk)
        state.unlink()
    row.acknowledged = len(received.kept)
    row.note = f"each state is one of {len(entries)} writes and flushes"
    return row


def _record(
    setting: Setting, directory: Path, image: Path, durability: str, seconds: float
) -> tuple[Acks, list[_Entry]]:
    """What a program said while it ran on a disk, and what came to that disk."""
    shutil.copy(image, image.with_suffix(".first"))
    fuse, disk, log = directory / "fuse", directory / "disk", directory / "log"
    fuse.mkdir()
    disk.mkdir()
    (directory / "blocklog").mkdir()
    daemon = Program(directory / "blocklog", "direct", "blocklog", image, fuse, log)
    try:
        deadline = time.monotonic() + 10
        while not (fuse / "disk").exists():
            if time.monotonic() > deadline or daemon.process.poll() is not None:
                raise NotHere(f"a FUSE file system cannot be mounted: {daemon.errors.strip()[-300:]}")
            time.sleep(0.01)
        mount(fuse / "disk", disk)
        try:
            program = Program(directory, setting.writer, "durable", disk / "e", durability)
            program.channel.wait(1, 20)
            time.sleep(seconds)
            program.kill(tree=True)
            received, _ = program.end(disk)
        finally:
            unmount(disk)
    finally:
        if os.path.ismount(fuse):
            do("umount", "-l", fuse)
        daemon.wait(10)
        daemon.channel.close()
    return received, list(_entries(log))


def _entries(log: Path) -> Iterator[_Entry]:
    data = log.read_bytes()
    place = 0
    while place < len(data):
        when, offset, size = struct.unpack_from("<qqq", data, place)
        place += 24
        if size < 0:
            yield _Entry(when, 0, None)
        else:
            yield _Entry(when, offset, data[place : place + size])
            place += size


def _write(image: Path, entries: list[_Entry]) -> None:
    with image.open("r+b", buffering=0) as file:
        for entry in entries:
            if entry.data is not None:
                file.seek(entry.offset)
                file.write(entry.data)


def _form(entries: list[_Entry], form: str, rng: random.Random) -> list[_Entry]:
    """What a disk may have made of writes that no flush came after."""
    if form == "some":
        return [entry for entry in entries if rng.random() < 0.5]
    if form == "reordered":
        return rng.sample(entries, rng.randrange(len(entries) + 1))
    if form == "torn" and entries:
        torn = rng.randrange(len(entries))
        whole = entries[torn].data or b""
        cut = whole[: _SECTOR * rng.randrange(len(whole) // _SECTOR + 1)]
        return [*entries[:torn], _Entry(0, entries[torn].offset, cut), *entries[torn + 1 :]]
    return entries
