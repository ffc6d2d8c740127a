"""A disk that is full in the middle of training, then has space: what was accepted is written, the rest counted."""

from __future__ import annotations

import errno
import re
import resource
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from acks import Acks
from disks import NotHere, btrfs_quota, do, fill, loop, own_mounts, tmpfs
from judge import judge
from mlv_validate import validate
from mlvlogger import read
from program import Program, holders
from rows import Row, Setting

__all__ = ["run"]

#: Of what one disk at a time does: take all space there is, and give it back.
_Fill = Callable[[Program, Path], Callable[[], None]]


def run(setting: Setting) -> Iterator[Row]:
    try:
        own_mounts()
        missing = ""
    except NotHere as error:
        missing = str(error)
    for disk in _disks(setting):
        for case in _CASES:
            row = Row(f"{disk.name}: {case.name}")
            if missing and disk.is_mounted:
                row.not_run = missing
            else:
                _try(setting, disk, case, row)
            yield row
    if setting.writer == "direct":
        for control in ("buffered", "naive"):
            yield _control(setting, control, missing)


@dataclass(frozen=True)
class _Disk:
    name: str
    make: Callable[[Path], AbstractContextManager[Path]]
    fill: _Fill
    error: int  # what writing fails with
    is_mounted: bool = True


@dataclass(frozen=True)
class _Case:
    name: str
    on_error: str = "warn"
    buffer: int = 16 * 1024 * 1024  # bytes that the logger keeps in memory
    events: int = 300  # while the disk is full
    ends_full: bool = False


_CASES = (
    _Case("space again, warn"),
    _Case("space again, raise", on_error="raise"),
    _Case("more than the buffer holds", buffer=20_000),
    _Case("full to the end", ends_full=True),
)


def _disks(setting: Setting) -> Iterator[_Disk]:
    yield _Disk("tmpfs", lambda path: tmpfs(path, "size=256k"), _fill, errno.ENOSPC)
    yield _Disk("file size limit", _plain, _limit, errno.EFBIG, is_mounted=False)
    yield _Disk("immutable file", _plain, _immutable, errno.EPERM, is_mounted=False)
    if setting.long:
        yield _Disk("ext4", lambda path: loop(path, "ext4", "4M"), _fill, errno.ENOSPC)
        yield _Disk("xfs", lambda path: loop(path, "xfs", "300M"), _fill, errno.ENOSPC)
        yield _Disk("btrfs quota", btrfs_quota, _fill, errno.EDQUOT)


@contextmanager
def _plain(path: Path) -> Iterator[Path]:
    path.mkdir()
    yield path


def _fill(program: Program, path: Path) -> Callable[[], None]:
    return fill(path).unlink


def _immutable(program: Program, path: Path) -> Callable[[], None]:
    """No process may write to the log any more, not even one that has it open."""
    do("chattr", "+i", path / "e/log.jsonl")
    return lambda: do("chattr", "-i", path / "e/log.jsonl")


def _limit(program: Program, path: Path) -> Callable[[], None]:
    """A limit some bytes above the size of the log, for everybody who writes it."""
    size = (path / "e/log.jsonl").stat().st_size + 1000
    writers = {program.process.pid, *holders(path)}
    for pid in writers:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def lift() -> None:
        for pid in writers:
            with suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    return lift


def _try(setting: Setting, disk: _Disk, case: _Case, row: Row) -> None:
    directory = setting.path / f"{disk.name}-{case.name}".replace(" ", "-").replace(",", "")
    directory.mkdir()
    try:
        with disk.make(directory / "disk") as path:
            for number in range(10 if setting.long else 1):
                _fill_once(setting, disk, case, row, directory, path / str(number))
                shutil.move(path / str(number), directory)  # off the small disk, for inspection
    except NotHere as error:
        row.not_run = str(error)


def _fill_once(setting: Setting, disk: _Disk, case: _Case, row: Row, directory: Path, path: Path) -> None:
    path.mkdir()
    experiment = path / "e"
    program = Program(
        directory, setting.writer, "asked", experiment, case.on_error, "kernel", case.buffer, is_asked=True
    )
    _talk(setting, disk, case, row, program, path)
    received, hangs = program.end(path)
    row.hangs += hangs
    row.rounds += 1
    row.add(judge(experiment, received, sealed=not case.ends_full))
    for problem in _problems(experiment, received, disk, case):
        row.problems.append(problem)


def _talk(setting: Setting, disk: _Disk, case: _Case, row: Row, program: Program, path: Path) -> None:
    experiment = path / "e"

    def ask(what: str) -> None:
        answer = program.ask(what)
        row.expect(bool(answer), f"{what}: the program died: {program.errors[-2000:]}")
        row.hangs += float(answer or 0) > 5
        findings = [finding.rule for target in validate(experiment).targets for finding in target.findings]
        row.expect(set(findings) <= {"log.torn"}, f"after {what}: {findings}")

    ask("event 20")
    ask("flush")
    free = disk.fill(program, path)
    for _ in range(10):
        ask(f"event {case.events // 10}")
        if setting.writer == "process":
            time.sleep(0.1)  # its caller looks now and then whether the other process is in trouble
    if case.ends_full:
        ask("close")
        row.hangs += program.dismiss() is None
        free()  # a writer's process may have waited for it
    else:
        free()
        ask("event 20")
        ask("flush")
        ask("event 20")
        ask("close")
        row.hangs += program.dismiss() is None


def _control(setting: Setting, kind: str, missing: str) -> Row:
    """A writer that is wrong on a full disk: it acknowledges what is in a buffer, or takes no care of short writes."""
    row = Row(f"tmpfs: a {kind} writer", control="lost", not_run=missing)
    while not missing and row.rounds < 10 and not row.lost:
        directory = setting.path / f"control-{kind}-{row.rounds}"
        directory.mkdir()
        with tmpfs(directory / "disk", f"size={100 + 4 * row.rounds}k") as path:
            program = Program(directory, "direct", "control", path / "e", kind, 1000, "return")
            row.hangs += program.wait() is None
            received, _ = program.end(path)
            row.add(judge(path / "e", received))
            row.rounds += 1
    return row


def _problems(experiment: Path, received: Acks, disk: _Disk, case: _Case) -> Iterator[str]:
    run = read(experiment)
    found = {(event.data["source"], event.data["number"]) for event in run.events()}
    dropped = Counter[str]()
    for event in run.events("mlv/dropped", lifecycle=True):
        dropped.update(event.data["reasons"])
    missing = received.refused - found
    warned = Counter(note for note in received.notes if "cannot write" in note)
    raised = [note for note in received.notes if note.startswith("raised event")]
    if not received.refused:
        yield "the disk was never full: the trial tried nothing"
    if case.on_error == "warn" and warned.total() != 1:
        yield f"there was one cause, and these warnings: {warned}"
    if case.on_error == "raise":
        if len(raised) != len(received.refused) or not all(f"[Errno {disk.error}]" in note for note in raised):
            yield f"{len(received.refused)} events were refused, but raised was {Counter(raised)}"
        if missing != received.refused:
            yield f"{len(received.refused - missing)} events are there, although they raised"
    elif case.ends_full:
        reported = sum(
            int(number) for note in received.notes for number in re.findall(r"(\d+) events could not be", note)
        )
        if reported != len(missing):
            yield f"{len(missing)} events are missing, and this was said: {received.notes}"
    elif dropped.total() != len(missing):
        yield f"{len(missing)} events are missing, but mlv/dropped counts {dropped.total()}"
    if case.buffer < 1_000_000 and not dropped:
        yield "nothing was dropped: the trial tried nothing"
