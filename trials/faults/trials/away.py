"""What becomes of an experiment that is moved, removed, made read-only or interrupted while it is written."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from acks import Acks
from disks import NotHere, do, loop, own_mounts, tmpfs
from judge import judge
from mlv_validate import validate
from mlvlogger import read
from program import Program, holders, is_released
from rows import Row, Setting

__all__ = ["run"]


def run(setting: Setting) -> Iterator[Row]:
    try:
        own_mounts()
        missing = ""
    except NotHere as error:
        missing = str(error)
    for what, (trial, is_mounted) in _TRIALS.items():
        row = Row(what)
        if missing and is_mounted:
            row.not_run = missing
        else:
            directory = setting.path / what.replace(" ", "-")
            directory.mkdir()
            try:
                trial(setting, directory, row)
            except NotHere as error:
                row.not_run = str(error)
        yield row


class _Talk:
    """A program that follows commands, and must stay alive."""

    def __init__(self, setting: Setting, directory: Path, experiment: Path, row: Row) -> None:
        self._program = Program(directory, setting.writer, "asked", experiment, "warn", "kernel", is_asked=True)
        self._row = row

    def ask(self, *lines: str) -> None:
        for line in lines:
            answer = self._program.ask(line)
            self._row.expect(bool(answer), f"{line}: the program died: {self._program.errors[-2000:]}")
            self._row.hangs += float(answer or 0) > 5

    def end(self, directory: Path, for_ever: bool = False) -> Acks:
        """What it said; it is ended. A trouble that is *for_ever*, a writer's process would outlive by a minute."""
        self._row.hangs += self._program.dismiss() is None
        for pid in holders(directory) if for_ever else ():
            os.kill(pid, signal.SIGKILL)
        received, hangs = self._program.end(directory)
        self._row.hangs += hangs
        self._row.rounds += 1
        return received


def _moved(setting: Setting, directory: Path, row: Row) -> None:
    talk = _Talk(setting, directory, directory / "e", row)
    talk.ask("event 20", "flush")
    (directory / "e").rename(directory / "elsewhere")
    talk.ask("event 20", f"attach {__file__}", "stream gpu", "flush", "event 20", "close")
    received = talk.end(directory / "elsewhere")
    row.expect(len(received.kept) == 60, f"of 60 events, {len(received.kept)} were acknowledged: {received.notes}")
    row.expect(not received.notes, f"not everything went into the directory: {received.notes}")
    row.expect((directory / "elsewhere/log/gpu.jsonl").exists(), "the stream isn't in the directory")
    row.expect(not (directory / "e").exists(), "there is something in the old place")
    row.add(judge(directory / "elsewhere", received, sealed=True))


def _removed(setting: Setting, directory: Path, row: Row) -> None:
    talk = _Talk(setting, directory, directory / "e", row)
    talk.ask("event 20", "flush")
    shutil.rmtree(directory / "e")
    talk.ask("event 20", f"attach {__file__}", "stream gpu", "flush", "event 20", "close")
    received = talk.end(directory)
    row.expect(not (directory / "e").exists(), "there is something in the old place")
    raised = [
        note for note in received.notes if note.startswith("raised") and "attach" not in note and "stream" not in note
    ]
    row.expect(not raised, f"training does not continue: {raised}")
    reported = [note for note in received.notes if note.startswith("warned")]
    row.expect(bool(reported), "the program wasn't warned")
    row.note = f"the removed events are gone; warnings of the program: {len(reported)}"


def _without_inodes(setting: Setting, directory: Path, row: Row) -> None:
    with tmpfs(directory / "disk", "size=4m,nr_inodes=40") as path:
        talk = _Talk(setting, directory, path / "e", row)
        talk.ask("event 20")
        taken = []
        try:
            while True:
                taken.append(path / str(len(taken)))
                taken[-1].touch()
        except OSError:
            taken.pop()
        talk.ask("event 20", f"attach {__file__}", "stream gpu", "event 20", "flush")
        for file in taken:
            file.unlink()
        talk.ask(f"attach {__file__}", "stream gpu", "event 20", "close")
        received = talk.end(path)
        refused = [note for note in received.notes if note.startswith("raised")]
        row.expect(
            len(refused) == 2 and len(received.kept) == 80, f"{len(received.kept)} of 80 acknowledged, {refused}"
        )
        row.expect(not list(path.rglob(".mlv-*")), "a temporary file was left")
        row.expect(len(read(path / "e").streams) == 2, "there is no second stream")
        row.add(judge(path / "e", received, sealed=True))


def _read_only(setting: Setting, directory: Path, row: Row) -> None:
    """ext4 goes read-only by itself when it meets an error; what was acknowledged before is in the file still."""
    with loop(directory / "disk", "ext4", "8M", "errors=remount-ro") as path:
        talk = _Talk(setting, directory, path / "e", row)
        talk.ask("event 20", "flush")
        device = os.path.basename(_source(path))
        try:
            Path(f"/sys/fs/ext4/{device}/trigger_fs_error").write_text("a trial")
        except OSError as error:
            raise NotHere(f"ext4 can't simulate an error: {error}") from None
        began = time.monotonic_ns()
        talk.ask("event 20", f"attach {__file__}", "flush", "close")
        received = talk.end(path, for_ever=True)
        warnings = [note for note in received.notes if "cannot write" in note]
        reported = [note for note in received.notes if "events could not be written" in note]
        row.expect(
            len(warnings) <= 1 and len(reported) >= 1, f"{len(received.refused)} refused, warned: {received.notes}"
        )
        judgement = judge(path / "e", received)
        if setting.writer == "process" and judgement.forgive(received, began):
            judgement = judge(path / "e", received)  # what its process had accepted, and could never write
        row.add(judgement)


def _source(path: Path) -> str:
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    return next(words[0] for words in mounts if words[1] == str(path))


def _read_only_before(setting: Setting, directory: Path, row: Row) -> None:
    with tmpfs(directory / "disk", "size=4m") as path:
        talk = _Talk(setting, directory, path / "e", row)
        talk.ask("event 20", "close")
        received = talk.end(path)
        do("mount", "-o", "remount,bind,ro", path)
        program = Program(directory, setting.writer, "asked", path / "e", "warn", "kernel")
        status = program.wait()
        row.expect(status == 1 and "Read-only file system" in program.errors, f"exit {status}: {program.errors}")
        row.hangs += not is_released(path)
        row.expect(validate(path / "e", sealed=True).verdict == "valid", "it is not valid any more")
        row.add(judge(path / "e", received, sealed=True))


def _storm(setting: Setting, directory: Path, row: Row) -> None:
    for number in range(10 if setting.long else 2):
        experiment = directory / f"e{number}"
        program = Program(directory, setting.writer, "storm", experiment, 10_000 if setting.long else 5_000)
        status = program.wait()
        row.hangs += status is None
        row.expect(status == 0, f"the program died: {program.errors[-2000:]}")
        received, hangs = program.end(experiment)
        row.hangs += hangs
        found = {(event.data["source"], event.data["number"]) for event in read(experiment).events()}
        missing = received.refused - found
        row.expect(not missing, f"{len(missing)} events of the handler are missing")
        row.expect(not received.notes, f"something was said: {received.notes[:5]}")
        handled = sum(source.endswith(".handler") for source, _ in found)
        row.expect(handled > 50, f"the handler ran {handled} times only")
        row.note = f"{handled} events of the handler among {len(found)} in the last round"
        row.rounds += 1
        row.add(judge(experiment, received, sealed=True))


_TRIALS: dict[str, tuple[Callable[[Setting, Path, Row], None], bool]] = {
    "moved away": (_moved, False),
    "removed": (_removed, False),
    "no inodes for a while": (_without_inodes, True),
    "read-only after an error": (_read_only, True),
    "read-only before a session": (_read_only_before, True),
    "a handler that logs every millisecond": (_storm, False),
}
