"""The direct writer: whole lines or none, one writer, and errors of the system made for real."""

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlvlogger import Logger, StreamBusy, WriteFailed
from mlvlogger._disk.line_file import LineFile
from program import program


# A file size limit makes the system write a part of a line, and then nothing: EFBIG instead of ENOSPC.
@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    try:
        made = subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        made = False
    if not made:
        pytest.skip("not applicable: a full disk needs a small tmpfs, and this user may not mount one")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_lines_are_in_the_file_when_write_returns() -> None:
    writer = LineFile(Path("a"), new=True)
    writer.write(b"one\n")
    writer.write(b"two\n")
    assert (Path("a").read_bytes(), writer.size, writer.lines) == (b"one\ntwo\n", 8, 2)
    writer.close()
    writer = LineFile(Path("a"), new=False)
    assert (writer.size, writer.lines, writer.read(3, 4)) == (8, 0, b"two")
    writer.close()


@pytest.mark.rule("writer.new-stream")
def test_a_new_file_must_not_exist_and_an_old_one_must() -> None:
    with pytest.raises(FileNotFoundError):
        LineFile(Path("a"), new=False)
    Path("a").write_bytes(b"kept\n")
    with pytest.raises(FileExistsError):
        LineFile(Path("a"), new=True)
    assert Path("a").read_bytes() == b"kept\n"


@pytest.mark.rule("writer.one")
def test_a_second_writer_is_refused_and_the_first_continues() -> None:
    writer = LineFile(Path("a"), new=True)
    with pytest.raises(StreamBusy):
        LineFile(Path("a"), new=False)
    writer.write(b"one\n")
    writer.close()
    LineFile(Path("a"), new=False).close()
    assert Path("a").read_bytes() == b"one\n"


@pytest.mark.rule("writer.line")
def test_a_short_write_is_truncated_before_the_next_line(run: Callable[..., Any]) -> None:
    """At each size of the rest that fits: the line is not there, and the next one is not glued to a part of it."""
    run(program("writers_short_write"))


@pytest.mark.rule("writer.line")
def test_close_truncates_the_rest_of_a_failed_write(run: Callable[..., Any]) -> None:
    run(program("writers_close_after_failure"))


@pytest.mark.rule("writer.line")
@pytest.mark.rule("writer.dropped")
def test_a_full_disk_loses_nothing_that_was_acknowledged(small_disk: Path, events: Callable[..., Any]) -> None:
    """The disk fills in the middle of a line, stays full for a while, and has free space again."""
    log = Logger(small_disk / "a.jsonl")
    (small_disk / "ballast").write_bytes(b"x" * 30_000)
    acknowledged = {}
    with pytest.warns(RuntimeWarning, match="No space left on device. Events are kept in memory"):
        for number in range(400):
            if (seq := log.event("x", number=number, fill="y" * 50)) is not None:
                acknowledged[seq] = number
    assert 50 < len(acknowledged) < 350
    (small_disk / "ballast").unlink()
    assert log.event("after") == 402
    log.close()
    written = events(small_disk / "a.jsonl")
    assert [event["data"]["number"] for event in written if event["event"] == "x"] == list(range(400))
    assert acknowledged.items() <= {e["seq"]: e["data"].get("number") for e in written}.items()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fifo", "directory", "link", "device"])
def test_a_path_that_is_not_a_regular_file_is_refused_at_once(kind: str, descriptors: Any) -> None:
    path = Path("a.jsonl")
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    elif kind == "link":
        Path("other").write_bytes(b"")
        path.symlink_to("other")
    else:
        path = Path(os.devnull)
    before = descriptors()
    with pytest.raises(OSError):
        Logger(path)
    assert descriptors() <= before, "a descriptor leaked"
    assert not Path("other").exists() or Path("other").read_bytes() == b""


def test_after_a_failed_sync_every_sync_fails(monkeypatch: pytest.MonkeyPatch, events: Callable[..., Any]) -> None:
    """The one error that cannot be made for real: fdatasync is made to fail, once. A later success proves nothing."""
    log = Logger("a.jsonl", durability="disk")
    assert log.event("before") == 2
    sync, failures = os.fdatasync, [OSError(5, "Input/output error")]

    def fail_once(descriptor: int) -> None:
        if failures:
            raise failures.pop()
        sync(descriptor)

    monkeypatch.setattr(os, "fdatasync", fail_once)
    with pytest.warns(RuntimeWarning, match="Input/output error"):
        assert log.event("lost?") is None
    assert log.event("after") is None
    log.close()
    assert [event["event"] for event in events("a.jsonl")] == ["mlv/start", "before", "lost?", "after", "mlv/end"]


def test_with_on_error_raise_a_failed_sync_says_that_the_event_is_written(
    monkeypatch: pytest.MonkeyPatch, events: Callable[..., Any]
) -> None:
    """And a span whose end event is in the file is ended: a second end would break `span.end`."""
    log = Logger("a.jsonl", durability="disk", on_error="raise")
    span = log.span("epoch")

    def fail(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fail)
    calls: list[Callable[[], object]] = [lambda: log.event("batch"), span.end]
    for call in calls:
        with pytest.raises(WriteFailed, match="are written, but may not be on the disk") as caught:
            call()
        assert caught.value.is_written and isinstance(caught.value.__cause__, OSError)
        assert not isinstance(caught.value.__cause__, WriteFailed)
    assert not span.is_open and span.end() is None
    with pytest.raises(WriteFailed):
        log.close()
    written = events("a.jsonl")
    assert [event["event"] for event in written[:4]] == ["mlv/start", "epoch", "batch", "epoch"]
    assert [event.get("span") for event in written if event["event"] == "epoch"] == ["begin", "end"]


def test_with_durability_disk_each_event_is_synced_before_its_seq_is_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    sync = os.fdatasync

    def note(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_size)
        sync(descriptor)

    monkeypatch.setattr(os, "fdatasync", note)
    log = Logger("a.jsonl", durability="disk")
    for _ in range(3):
        log.event("x")
        assert synced[-1] == Path("a.jsonl").stat().st_size
    log.close()
    assert synced[-1] == Path("a.jsonl").stat().st_size
    synced.clear()
    with Logger("b.jsonl") as log:
        log.event("x")
    assert synced == []


@pytest.mark.rule("writer.one-call")
def test_a_line_and_its_line_feed_are_one_call_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[bytes] = []
    write = os.write

    def recorded(fd: int, data: bytes) -> int:
        calls.append(bytes(data))
        return write(fd, data)

    with Logger("a.jsonl") as log:
        monkeypatch.setattr(os, "write", recorded)
        log.event("x", text="y" * 100_000)
        log.event("z")
        monkeypatch.undo()
    assert [(call[:9], call[-1:]) for call in calls] == [(b'{"seq":2,', b"\n"), (b'{"seq":3,', b"\n")]


def test_the_lock_is_released_when_its_process_is_killed(begin: Callable[..., Any]) -> None:
    holder = begin("from mlvlogger import Logger; log = Logger('a.jsonl'); print(log.event('x'), flush=True); input()")
    assert holder.stdout.readline() == "2\n"
    with pytest.raises(StreamBusy):
        Logger("a.jsonl")
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    log = Logger("a.jsonl")
    assert log.event("y") == 4
    log.close()


@pytest.mark.slow
def test_a_logger_without_references_releases_its_file(descriptors: Any) -> None:
    """A cell of a notebook that is run again."""
    before = descriptors() if sys.platform == "linux" else set()
    Logger("a.jsonl").event("x")
    gc.collect()
    log = Logger("a.jsonl")
    assert log.event("y") == 5  # the first logger wrote an end
    log.close()
    del log
    gc.collect()
    assert sys.platform != "linux" or descriptors() <= before, "a descriptor leaked"
