"""SIGKILL of the trainer at its N-th system call, for every N of each thing that the logger does; then it continues."""

from __future__ import annotations

import copy
import hashlib
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from judge import judge
from mlvlogger import MLVError, read
from next_session import log_next_session
from program import Program
from rows import Row, Setting

__all__ = ["CALLS", "missing_strace", "run"]

#: The calls that can change what others see. SIGKILL comes before the call does anything: so the points before these
#: are all states that a kill can leave, but for the middle of a write, which chance must find (trial `kill`).
CALLS = (
    "open,openat,close,write,pwrite64,writev,ftruncate,truncate,rename,renameat,renameat2,link,linkat,symlink,symlinkat,"
    "unlink,unlinkat,mkdir,mkdirat,rmdir,fsync,fdatasync,flock,fcntl,ioctl,copy_file_range,sendfile,fchmod,fchmodat,"
    "utimensat,pipe2,socket,socketpair,sendto,sendmsg,dup,dup2,dup3,clone,clone3,vfork,fork,wait4,kill,exit_group"
)

# Left out of the quick form: most are of files that are only read.
_OFTEN = ("openat", "close", "ioctl", "fcntl")

_STEPS = ("start", "event", "attach", "create", "add", "flush", "pause", "sub", "close")


def missing_strace() -> str:
    """Why strace cannot be used here, or nothing."""
    if not shutil.which("strace"):
        return "strace is not installed"
    tried = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, text=True)
    return f"strace may not trace here: {tried.stderr.strip()[:200]}" if tried.returncode else ""


def run(setting: Setting) -> Iterator[Row]:
    reason = missing_strace()
    for step in _STEPS:
        row = Row(f"SIGKILL at a system call of {step}", not_run=reason)
        if not reason:
            _step(setting, step, row)
        yield row


def _step(setting: Setting, step: str, row: Row) -> None:
    points = _points(setting, step)
    row.expect(bool(points), "there are no system calls between the marks")
    chosen = points
    if not setting.long:
        telling = [point for point in points if point[0] not in _OFTEN]
        chosen = telling[:: max(1, len(telling) // 5)]
    unreached = 0
    for call, number in chosen:
        directory = setting.path / f"{step}-{call}-{number}"
        directory.mkdir()
        experiment = directory / "e"
        before = ["strace", "-o", "/dev/null", "-e", f"trace={call}"]
        before += ["-e", f"inject={call}:signal=SIGKILL:when={number}"]
        program = Program(directory, setting.writer, "steps", experiment, step, before=before)
        status = program.wait()
        row.hangs += status is None
        acks, hangs = program.end(directory)
        row.hangs += hangs
        label = f"{call} {number}"
        row.expect(status in (-9, 0), f"{label}: it ended with {status}. {program.errors[-500:]}")
        unreached += status == 0
        row.add(judge(experiment, acks), label)
        for note in acks.notes:
            row.expect(_is_so(experiment, note), f"{label}: what was done is not there: {note}")
        known = copy.deepcopy(acks)
        if (experiment / "experiment" / "s" / "meta.json").exists():
            log_next_session(experiment / "experiment" / "s", setting.writer, copy.deepcopy(acks))
        log_next_session(experiment, setting.writer, known)
        row.add(judge(experiment, known), f"{label}, continued", new=0)
        row.rounds += 1
    row.note = f"{len(chosen)} of {len(points)} points"
    if unreached:  # how often a loop that waits goes round is another number each time
        row.note += f", {unreached} of them not reached"
    row.expect(unreached <= len(chosen) // 5, "most points are to be reached")


def _points(setting: Setting, step: str) -> list[tuple[str, int]]:
    """The calls between the marks, each with its number among those of its name since the program began."""
    directory = setting.path / f"{step}-counted"
    directory.mkdir()
    before = ["strace", "-o", "trace", "-e", f"trace={CALLS},access"]
    program = Program(directory, setting.writer, "steps", directory / "e", step, before=before)
    program.wait()
    program.end(directory)
    counts: Counter[str] = Counter()
    points = []
    inside = False
    before_this = ""
    for line in (directory / "trace").read_text().splitlines():
        if line.startswith('access("mark-'):
            inside = "begin" in line
        elif match := re.match(r"(\w+)\(", line):
            counts[match[1]] += 1
            if inside and match[1] not in ("access", before_this):
                points.append((match[1], counts[match[1]]))
            before_this = match[1] if match[1] == "wait4" else ""  # a loop that waits is one point
    return points


def _is_so(experiment: Path, note: str) -> bool:
    """Is something there of which the program said that it was done?"""
    what, *words = note.split(" ")
    try:
        run = read(experiment)
        if what == "record":
            return len(run.records) >= int(words[0])
        if what == "state":
            return run.state == words[0]
        if what == "file":
            return hashlib.sha256((experiment / words[0]).read_bytes()).hexdigest() == words[1]
        assert what == "sub", note
        sub = read(experiment / "experiment" / "s")
        return [(event.seq, event.data) for event in sub.events()] == [(int(words[0]), {"c": 3})]
    except (MLVError, OSError):
        return False
