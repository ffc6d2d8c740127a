"""The writer process is killed or stopped: the trainer continues, and nothing is lost, doubled or out of order."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from judge import judge
from program import Program
from rows import Row, Setting

__all__ = ["WRITERS", "run"]

WRITERS = ("process",)

# The system calls of the writer's loop, those that wait included.
_CALLS = "write,pwrite64,pread64,read,select,pselect6,clock_nanosleep,getppid,fstat,newfstatat,ftruncate,lseek"


def run(setting: Setting) -> Iterator[Row]:
    yield _at_random(setting, "SIGKILL of the writer in a burst", 200 if setting.long else 15, "burst")
    yield _at_random(setting, "SIGKILL of the writer, paced", 40 if setting.long else 5, "paced", 1)
    yield _stopped(setting, Row("the writer stopped for a second in a burst"))
    yield _stopped(setting, Row("the writer stopped in a burst, then SIGKILL"), killed=True)
    yield _window(setting, Row("everything killed when a lone event is in the file"))
    reason = _missing_attach()
    points = range(1, 121) if setting.long else range(1, 49, 6)
    yield _attached(setting, Row("SIGKILL of the writer at its N-th system call", not_run=reason), points)
    writes = range(1, 31) if setting.long else range(1, 4)
    yield _attached(
        setting, Row("SIGKILL of the writer right after its N-th write", not_run=reason), writes, after=True
    )


def _at_random(setting: Setting, what: str, rounds: int, script: str, *arguments: object) -> Row:
    row = Row(what)
    moments = random.Random(what)
    for number in range(rounds):
        program, experiment = _begin(setting, row, script, *arguments)
        if number % 3:  # else before it is at work, perhaps
            program.wait_for_children()
        time.sleep(moments.uniform(0, 0.05))
        for pid in moments.sample(children := program.children(), k=moments.randint(1, len(children))):
            os.kill(pid, signal.SIGKILL)
        _finish(row, program, experiment, f"round {number}")
    return row


def _begin(setting: Setting, row: Row, script: str, *arguments: object) -> tuple[Program, Path]:
    directory = setting.path / f"{row.what}-{row.rounds}".replace(" ", "-")
    directory.mkdir()
    program = Program(directory, setting.writer, script, directory / "e", *arguments)
    row.expect(program.channel.wait(1, 20), f"nothing was acknowledged. {program.errors}")
    row.expect(bool(program.children()), "there is no process that writes")
    return program, directory / "e"


def _finish(row: Row, program: Program, experiment: Path, label: str) -> None:
    continues = program.channel.wait(program.channel.lines + 50, 20)
    row.expect(continues, f"{label}: the trainer does not continue. {program.errors[-500:]}")
    program.request_end()
    status = program.wait()
    row.hangs += status is None
    row.expect(status == 0, f"{label}: the trainer ended with {status}: {program.errors[-500:]}")
    acks, hangs = program.end(experiment)
    row.hangs += hangs
    row.expect(not acks.refused, f"{label}: {len(acks.refused)} events were refused")
    row.add(judge(experiment, acks, sealed=True), label)
    row.rounds += 1


def _stopped(setting: Setting, row: Row, killed: bool = False) -> Row:
    for number in range(8 if setting.long else 1):
        program, experiment = _begin(setting, row, "burst")
        program.wait_for_children()
        children = program.children()
        for pid in children:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(1)
        for pid in children:
            os.kill(pid, signal.SIGKILL if killed else signal.SIGCONT)
        _finish(row, program, experiment, f"round {number}")
    return row


def _window(setting: Setting, row: Row) -> Row:
    """The idle writer checks its ring less often, and writes a lone event without any further call.

    On a machine that is busy, it may not run for longer than its window; so the row waits for it, and notes how long.
    """
    longest = 0.0
    for number in range(40 if setting.long else 5):
        program, experiment = _begin(setting, row, "paced", 1100 + number % 10)
        row.expect(program.channel.wait(3, 20), f"round {number}: the second event does not come")
        began = time.monotonic()
        while (written := _user_events(experiment)) < 2 and time.monotonic() < began + 20:
            time.sleep(0.001)
        longest = max(longest, time.monotonic() - began)
        row.expect(written >= 2, f"round {number}: the lone event is not in the file")
        program.kill(tree=True)
        acks, hangs = program.end(experiment)
        row.hangs += hangs
        row.add(judge(experiment, acks), f"round {number}")
        row.rounds += 1
    row.note = f"at most {1000 * longest:.0f} ms later"
    return row


def _user_events(experiment: Path) -> int:
    lines = (experiment / "log.jsonl").read_bytes().splitlines()
    return sum(b'"event":"mlv/' not in line for line in lines)


def _missing_attach() -> str:
    """Why strace cannot be attached to a process that is not its child, or nothing."""
    if not shutil.which("strace"):
        return "strace is not installed"
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.5)"])
    command = ["strace", "-o", "/dev/null", "-p", str(other.pid)]
    tried = subprocess.run(command, capture_output=True, text=True)
    other.wait()
    return f"strace may not attach here: {tried.stderr.strip()[:200]}" if tried.returncode else ""


def _attached(setting: Setting, row: Row, points: range, after: bool = False) -> Row:
    if row.not_run:
        return row
    for point in points:
        program, experiment = _begin(setting, row, "paced", 2)
        program.wait_for_children()
        pid = program.children()[0]
        if after:  # what was written is in the file, and its process is held before it can note that
            inject = ["-e", "trace=write,pwrite64", "-e", f"inject=write,pwrite64:delay_exit=3000000:when={point}"]
        else:
            inject = ["-e", f"trace={_CALLS}", "-e", f"inject={_CALLS}:signal=SIGKILL:when={point}"]
        strace = subprocess.Popen(
            ["strace", "-o", str(experiment.parent / "trace"), *inject, "-p", str(pid)], stderr=subprocess.PIPE
        )
        assert strace.stderr is not None
        strace.stderr.readline()  # "attached"
        if after:
            _wait_until_held(pid)
            os.kill(pid, signal.SIGKILL)
        strace.wait(20)
        _finish(row, program, experiment, f"point {point}")
    return row


def _wait_until_held(pid: int) -> None:
    """Return when strace holds a process in the delay after a call; without a delay it does so for an instant only."""
    held, deadline = 0, time.monotonic() + 10
    while held < 50 and time.monotonic() < deadline:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        held = held + 1 if state == "t" else 0
        time.sleep(0.001)
