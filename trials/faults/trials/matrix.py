"""The fault matrix: each call of an experiment's life fails, with 8 errnos, whole or torn, once or for ever."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

from acks import Acks, Channel
from injection import FOR_EVER, Fault, Injection, missing_compiler
from judge import judge
from mlvlogger import read
from program import Program, is_released
from rows import Row, Setting

__all__ = ["run"]

_BELOW = "part/sub"  # where the program puts its sub-experiment

#: For each kind of call what it can fail with: on Linux, on network file systems, at quotas and limits.
_ERRORS = {
    "write": "ENOSPC EDQUOT EIO EINTR EFBIG EROFS ESTALE EPERM",
    "read": "EIO EINTR ESTALE ENOMEM ETIMEDOUT EBADMSG ENODATA EREMOTEIO",
    "sync": "EIO ENOSPC EDQUOT EINTR EROFS EINVAL ESTALE EOPNOTSUPP",
    "open": "ENOSPC EDQUOT EIO EINTR EROFS ENFILE EMFILE ESTALE",
    "link": "ENOSPC EDQUOT EIO EROFS EACCES EPERM EMLINK ESTALE",
    "truncate": "EIO EINTR EROFS EPERM EFBIG EACCES ETXTBSY ESTALE",
    "lock": "ENOLCK EINTR EIO EWOULDBLOCK ESTALE ENOSYS EOPNOTSUPP EINVAL",
    "close": "EIO EINTR ENOSPC EDQUOT ESTALE EBADF ETIMEDOUT EFBIG",
    "mkdir": "ENOSPC EDQUOT EIO EROFS EACCES EMLINK ESTALE ENAMETOOLONG",
    "unlink": "EIO EROFS EACCES EPERM EBUSY ESTALE EINTR ENOSPC",
}

#: EINTR for ever isn't a fault that exists: a call that was interrupted so often goes through.
_OFTEN = 1000

#: What must not raise where `on_error` is "warn".
_TRAINING = ("raised event", "raised flush", "raised close", "raised span")

_MODES = [(on_error, durability) for durability in ("kernel", "disk") for on_error in ("warn", "raise")]


@dataclass(frozen=True)
class _Try:
    faults: tuple[Fault, ...]  # the last is the one that is tried
    on_error: str
    durability: str

    def __str__(self) -> str:
        words = [self.on_error, self.durability]
        for fault in self.faults:
            torn = f", the first torn at {fault.part} %" if fault.part else ""
            often = "" if fault.times >= _OFTEN else f" to {fault.first + fault.times - 1}"
            words.append(f"{errno.errorcode[fault.error]} from {fault.kind} {fault.first} on{often}{torn}")
        return ", ".join(words)


class _Lives:
    """The program under test, its faults, and an experiment for each of them."""

    def __init__(self, setting: Setting, memory: Path) -> None:
        self._setting = setting
        self._memory = memory
        self._number = 0
        self.injection = Injection(setting.path)
        environment = self.injection.environment
        self.program = Program(setting.path, setting.writer, "life", memory, environment=environment, is_asked=True)

    def new(self) -> Path:
        """A directory for the next experiment, to be."""
        self._number += 1
        directory = self._memory / str(self._number)
        directory.mkdir()
        return directory / "e"

    def act(self, action: str, experiment: Path, on_error: str, durability: str) -> tuple[Acks, int, bool]:
        """Let the program act; what it said, its exit code, and whether it hung."""
        channel = Channel(self._setting.path / f"acks-{self._number}-{action}")
        status = int(self.program.ask(f"{action} {experiment} {channel.path} {on_error} {durability}") or 1)
        self.injection.lift()  # a writer's process continues trying for a while
        hangs = status == -signal.SIGALRM or not is_released(experiment.parent)
        return channel.close(), status, hangs


def run(setting: Setting) -> Iterator[Row]:
    if reason := missing_compiler():
        yield Row("a fault in every call", not_run=reason)
        return
    # For each kind of call; with the process writer, a life takes thrice as long.
    wanted = {("direct", False): 55, ("direct", True): 200, ("process", False): 12, ("process", True): 60}
    # A file system in memory isn't easier for a program, and syncs at once.
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as memory:
        lives = _Lives(setting, Path(memory))
        for kind, tries in _plan(lives, wanted[setting.writer, setting.long]).items():
            row = Row(f"{kind} fails: 8 errnos, {'whole and torn, ' if kind == 'write' else ''}once and for ever")
            for number, attempt in enumerate(tries):
                _try(lives, attempt, row, again=setting.long or number % 3 == 0)
            yield row
        lives.program.kill(tree=True)


def _plan(lives: _Lives, wanted: int) -> dict[str, list[_Try]]:
    """For each kind of call so many tries, evenly of all its errnos and forms; which calls they hit is random."""
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for mode in _MODES:
        experiment = lives.new()
        lives.injection.arm(experiment.parent)
        _, status, hangs = lives.act("live", experiment, *mode)
        assert status == 0 and not hangs, lives.program.errors[-2000:]
        counts[mode] = lives.injection.seen
    rng = random.Random(20261125)  # the same tries every time
    plan = {}
    for kind, names in _ERRORS.items():
        groups = []
        for name in names.split():
            often = _OFTEN if name == "EINTR" else FOR_EVER
            for part in (0, 1, 50, 99) if kind == "write" else (0,):
                for times in (2 if part else 1, often):
                    fault = Fault(kind, 1, times, getattr(errno, name), part)
                    group = [attempt for mode in _MODES for attempt in _tries(fault, mode, counts[mode])]
                    groups.append(rng.sample(group, len(group)))
        evenly = [attempt for turn in zip_longest(*groups) for attempt in turn if attempt]
        plan[kind] = evenly[:wanted]
    return plan


def _tries(fault: Fault, mode: tuple[str, str], counts: dict[str, int]) -> Iterator[_Try]:
    """*fault* in each call of its kind that a life makes."""
    if fault.kind == "truncate":  # a life truncates nothing, unless a write was torn
        for number in range(1, counts["write"] + 1):
            yield _Try((Fault("write", number, 2, errno.ENOSPC, 50), fault), *mode)
    else:
        for number in range(1, counts[fault.kind] + 1):
            yield _Try((replace(fault, first=number),), *mode)


def _try(lives: _Lives, attempt: _Try, row: Row, again: bool) -> None:
    """One life with faults, and then perhaps a session without."""
    experiment = lives.new()
    lives.injection.arm(experiment.parent, *attempt.faults)
    received, status, hangs = lives.act("live", experiment, attempt.on_error, attempt.durability)
    if not lives.injection.hits[len(attempt.faults) - 1]:
        return  # a call that was not made this time
    problems = len(row.problems)
    label = f"{attempt} ({os.path.relpath(lives.injection.hit, experiment)})"
    row.rounds += 1
    row.hangs += hangs
    row.expect(hangs or not status, f"{label}: the program died: {lives.program.errors[-2000:]}")
    _judge(experiment, received, row, label)
    row.problems += [f"{label}: {problem}" for problem in _silence(experiment, received)]
    row.problems += [f"{label}: {problem}" for problem in _disorder(experiment, received, attempt)]
    if again:
        more, status, hangs = lives.act("resume", experiment, attempt.on_error, attempt.durability)
        row.hangs += hangs
        row.expect(hangs or not status, f"{label}: it cannot be continued: {lives.program.errors[-2000:]}")
        row.problems += [f"{label}: afterwards: {note}" for note in more.notes]
        received.add(more)
        _judge(experiment, received, row, f"{label}: afterwards", again=True)
    if len(row.problems) == problems:
        shutil.rmtree(experiment.parent)
    else:
        shutil.move(experiment.parent, ".")  # for inspection


def _judge(experiment: Path, received: Acks, row: Row, label: str, again: bool = False) -> None:
    new = 0 if again else None
    row.add(judge(experiment, _part(received, lambda source: ".sub" not in source), sealed=again), label, new=new)
    below = _part(received, lambda source: ".sub" in source)
    if below.sources:
        row.add(judge(experiment / _BELOW, below), f"{label}: sub-experiment", new=new)


def _part(received: Acks, is_part: Callable[[str], bool]) -> Acks:
    part = Acks()
    part.sources = {source for source in received.sources if is_part(source)}
    part.kept = {key: place for key, place in received.kept.items() if is_part(key[0])}
    part.refused = {key for key in received.refused if is_part(key[0])}
    return part


def _silence(experiment: Path, received: Acks) -> Iterator[str]:
    """What the fault cost without a word."""
    if any(note.startswith(("warned ", "raised ")) for note in received.notes):
        return
    found: Counter[tuple[str, int]] = Counter()
    for home, note in ((experiment, "made"), (experiment / _BELOW, "made sub")):
        if note in received.notes:
            run = read(home)
            found.update(
                (str(event.data["source"]), int(event.data["number"]))
                for stream in run.streams
                for event in run.events(stream=stream, rewound=True)
            )
            if run.state != "completed":
                yield f"{home.name} has no end, and no message says so"
    if any(source != "span" for source, _ in received.refused):  # those of the span aren't acknowledged
        yield "events were refused, and no message says why"
    if missing := received.refused - found.keys():
        yield f"{len(missing)} events are missing, and no message says so"


def _disorder(experiment: Path, received: Acks, attempt: _Try) -> Iterator[str]:
    """What the program met or left that it should not."""
    for note, times in Counter(received.notes).items():
        if attempt.on_error == "warn" and note.startswith(_TRAINING):
            yield f"on_error is warn: {note}"
        if times > 1 and "cannot write" in note:
            yield f"said again and again: {note}"
        if note.startswith("left open"):
            yield note
        if note.startswith("attached "):
            _, path, size, sha256 = note.split()
            data = (experiment / path).read_bytes()
            if (len(data), hashlib.sha256(data).hexdigest()) != (int(size), sha256):
                yield f"{path} is not what its reference says"
    if attempt.faults[-1].kind not in ("unlink", "close"):
        yield from (f"{left} was left" for left in experiment.rglob(".mlv-*"))
