"""In which order bytes and names come to the disk, and which files others can see meanwhile.

The calls of the logger are real, on real files, and are noted on the way. A disk that forgets everything that was not
synced is then made of them: the bytes that a file had at its last sync, and the names that a directory had at its last.
"""

import hashlib
import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlvlogger import Exp, Logger, read
from mlvlogger._write.process.ring import READY
from writer_process import writer_of

HOME = Path("runs/e")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="not applicable: it reads files by /proc/self/fd")


class Disk:
    """What is on the disk of everything below the directory ``runs``.

    Attributes:
        is_strict: Does a new directory need a sync of the directory that it is in? File systems with a journal write
            its name when it, or a file in it, is synced.
    """

    is_strict = False

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._bytes: dict[int, bytes] = {}  # by the number of the inode
        self._names: dict[int, dict[str, int]] = {}
        self._kept: list[int] = []  # descriptors, so that no number is used again
        self._seen: dict[str, bytes] = {}  # what others saw under a final name
        self._restored = 0
        self._open = os.open
        for name in ("fsync", "fdatasync"):
            if hasattr(os, name):
                patch.setattr(os, name, self._noting_sync(getattr(os, name)))
        for name in ("open", "link", "rename", "replace", "unlink", "mkdir", "rmdir", "write", "ftruncate"):
            patch.setattr(os, name, self._looking(getattr(os, name)))

    def _noting_sync(self, call: Callable[[int], None]) -> Callable[[int], None]:
        reopen = self._open

        def noting(fd: int) -> None:
            self.look()
            call(fd)
            status = os.fstat(fd)
            if stat.S_ISDIR(status.st_mode):
                inodes = {}
                with os.scandir(fd) as entries:
                    for entry in entries:
                        inodes[entry.name] = entry.inode()
                self._names[status.st_ino] = inodes
            elif stat.S_ISREG(status.st_mode):
                self._bytes[status.st_ino] = Path(f"/proc/self/fd/{fd}").read_bytes()
            self._kept.append(reopen(f"/proc/self/fd/{fd}", os.O_RDONLY))  # not a copy, which would share its lock

        return noting

    def _looking(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def looking(*arguments: Any, **named: Any) -> Any:
            result = call(*arguments, **named)
            self.look()
            return result

        # `os.supports_dir_fd` and its like are sets of functions.
        for capabilities in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks):
            if call in capabilities:
                capabilities.add(looking)
        return looking

    def look(self) -> None:
        """As another process: what has a final name is complete, and stays as it is (`writer.publish`)."""
        for pattern in ("meta.json", "meta/*.json", "files/**/*"):
            for path in Path("runs").glob(f"**/{pattern}"):
                if path.is_file() and not path.name.startswith(".mlv-"):
                    now = path.read_bytes()
                    assert self._seen.setdefault(str(path), now) == now, f"{path} was seen before it was complete"
                    if path.suffix == ".json" and path.parts[-2] != "files":
                        assert now.endswith(b"\n}\n"), f"{path} has its name before its bytes"

    def restore(self) -> Path:
        """A directory with what the disk has of the current one."""
        self._restored += 1
        target = Path(f"restored-{self._restored}")
        self._copy(Path("runs"), target / "runs")
        return target

    def _copy(self, source: Path, target: Path) -> None:
        target.mkdir(parents=True)
        names = self._names.get(source.stat().st_ino, {})
        for name, inode in names.items():
            if not (source / name).is_dir():
                (target / name).write_bytes(self._bytes.get(inode, b""))
        for entry in source.iterdir():
            if entry.is_dir() and (entry.name in names or not self.is_strict):
                self._copy(entry, target / entry.name)

    def close(self) -> None:
        for fd in self._kept:
            os.close(fd)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    disk = Disk(monkeypatch)
    yield disk
    disk.close()


class Promises:
    """What was acknowledged: events by stream and seq, and the bytes of files. They are looked for on the disk."""

    def __init__(self, disk: Disk, conforms: Callable[..., Any]) -> None:
        self._disk = disk
        self._conforms = conforms
        self._events: dict[str, dict[int, int]] = {}
        self._files: dict[str, bytes] = {}
        self._numbers = iter(range(1000))

    def event(self, log: Any) -> None:
        number = next(self._numbers)
        seq = log.event("x", number=number)
        assert seq is not None
        self._events.setdefault(log._stream.name, {})[seq] = number

    def file(self, ref: Any, data: bytes) -> None:
        assert ref.sha256 == hashlib.sha256(data).hexdigest()
        self._files[ref.path] = data

    def check(self, home: Path = HOME, records: int = 1) -> None:
        restored = self._disk.restore() / home
        self._conforms(restored)
        run = read(restored)
        assert run.problems == [] and len(run.environments) == records
        for stream, events in self._events.items():
            found = {event.seq: event.data["number"] for event in run.events("x", stream=stream)}
            assert events.items() <= found.items(), f"of {stream}, the disk has {found}"
        for path, data in self._files.items():
            assert (restored / path).read_bytes() == data, path


@pytest.fixture
def promises(disk: Disk, conforms: Callable[..., Any]) -> Promises:
    return Promises(disk, conforms)


@pytest.mark.slow
def test_acknowledged_events_of_a_durable_experiment_are_on_the_disk(promises: Promises) -> None:
    """After each call. A file system that happens to store names early, as ext4 does, is not needed for it."""
    with Exp("runs", "e", {"lr": 1}, durability="disk") as exp:
        promises.check()
        promises.event(exp.log)
        promises.check()
        gpu = exp.stream("gpu")
        promises.event(gpu)
        promises.check()
        Path("model.pt").write_bytes(b"weights" * 1000)
        promises.file(exp.attach("model.pt"), b"weights" * 1000)
        promises.check()
        promises.file(exp.attach(b"bytes", "folder/small.bin"), b"bytes")
        promises.check()
        with exp.create("made.bin") as file:
            file.write(b"made" * 100_000)
        assert file.ref is not None
        promises.file(file.ref, b"made" * 100_000)
        promises.check()
        with exp.create("made.txt", "w") as text:
            text.write("text")
        promises.file(text.ref, b"text")
        promises.check()
        promises.event(exp.log)
    promises.check()
    with Exp.resume(HOME, {"more": 2}, durability="disk") as exp:
        promises.check(records=2)
        promises.event(exp.log)
        promises.check(records=2)
    promises.check(records=2)


def test_the_names_of_new_folders_are_on_the_disk(disk: Disk, promises: Promises) -> None:
    disk.is_strict = True
    with Exp("runs", "e", durability="disk") as exp:
        promises.check()
        promises.event(exp.stream("gpu"))
        promises.check()
        promises.file(exp.attach(b"bytes", "folder/small.bin"), b"bytes")
        promises.check()


def test_with_the_process_writer_flushed_events_are_on_the_disk(promises: Promises) -> None:
    with Exp("runs", "e", writer="process", durability="disk") as exp:
        promises.check()
        for log in (exp.log, exp.stream("gpu")):
            while not writer_of(log)._ring.words[READY]:
                promises.event(log)
            for _ in range(10):
                promises.event(log)
            log.flush()
            promises.check()
        promises.file(exp.attach(b"bytes", "small.bin"), b"bytes")
        promises.event(exp.log)
    promises.check()


def test_a_new_bare_log_is_on_the_disk_with_its_name(disk: Disk) -> None:
    Path("runs").mkdir()
    with Logger("runs/a.jsonl", durability="disk") as log:
        assert log.event("x", number=1) == 2
        [start, event] = (disk.restore() / "runs/a.jsonl").read_bytes().splitlines()
        assert b'"mlv/start"' in start and b'"number":1' in event


def test_the_stream_of_a_forked_child_is_on_the_disk_with_its_name(promises: Promises, child: Any) -> None:
    with Exp("runs", "e", durability="disk") as exp:

        def work() -> None:
            promises.event(exp.log)
            promises.check()
            assert exp.log._stream.name == "log/fork-1.jsonl"

        child(work)


@pytest.mark.parametrize("links", [True, False], ids=["hard links", "no hard links"])
def test_a_file_has_its_final_name_when_it_is_complete_and_on_the_disk(
    links: bool, disk: Disk, promises: Promises, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever *durability* says: what others may refer to is never half there, not after a power cut either."""
    if not links:

        def refuse(*_: Any, **__: Any) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)
    with Exp("runs", "e") as exp:
        promises.file(exp.attach(b"bytes" * 100_000, "big.bin"), b"bytes" * 100_000)
        with exp.create("made.bin") as file:
            file.write(b"made" * 100_000)
        assert file.ref is not None
        promises.file(file.ref, b"made" * 100_000)
        with exp.sub("small") as small:
            pass
    Exp.resume(HOME).close()
    restored = disk.restore()
    for path in (HOME, small.path):
        on_disk = restored / path
        names = {entry.relative_to(path) for entry in path.rglob("*") if entry.is_file() and entry.suffix != ".jsonl"}
        assert {entry.name for entry in names} >= {"meta.json"}
        for name in names:
            assert (on_disk / name).read_bytes() == (path / name).read_bytes(), name
