"""The process writer where something is wrong: it cannot start, it dies, or another process changes its memory."""

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import mlvlogger
from mlvlogger import Logger, WriteFailed
from mlvlogger._disk import spawn
from mlvlogger._write.process import child
from mlvlogger._write.process.ring import CLOSING, ERROR, HEAD, READY, SIZE, TAIL, TRIES, UNSEALED, Ring
from program import program
from writer_process import wait_for_writer, writer_of

pytestmark = pytest.mark.skipif(os.name == "nt", reason="not applicable: Windows has no posix_spawn")
linux = pytest.mark.skipif(sys.platform != "linux", reason="not applicable: limits of another process are Linux's")

PACKAGE = Path(mlvlogger.__file__).parent
PATH = Path("a.jsonl")


def numbers(written: list[dict[str, Any]]) -> list[int]:
    return [event["data"]["number"] for event in written if event["event"] == "x"]


def has_ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@contextmanager
def recorded_warnings() -> Iterator[list[str]]:
    """The messages of the warnings in a block, which are complete when it ends."""
    messages: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield messages
    messages += [str(warning.message) for warning in caught]


# A program whose start of the process writer fails; it owns the limits and the children that are counted.


@linux
@pytest.mark.parametrize("kilobytes", [64, 100, 160, 515])
def test_with_a_file_size_limit_below_the_shared_memory_a_log_is_written_directly(
    kilobytes: int, run: Callable[..., Any], conforms: Callable[..., Any]
) -> None:
    run(program("process_faults_small_limit"), kilobytes)
    assert numbers(conforms("runs/e")["log.jsonl"]) == list(range(100))


@linux
@pytest.mark.parametrize("imported", [False, True])
def test_with_few_free_descriptors_a_log_is_written_directly_or_not_opened(
    imported: bool, run: Callable[..., Any], events: Callable[..., Any]
) -> None:
    run(program("process_faults_few_descriptors"), imported)
    assert {tuple(numbers(events(f"{free}.jsonl"))) for free in range(14)} == {(2,), (0, 1, 2)}


def failing(error: BaseException) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


ERRORS = [OSError(24, "Too many open files"), MemoryError(), ValueError("no"), ImportError("no"), NotImplementedError()]
STEPS = ["os.memfd_create", "os.write", "mmap.mmap", "os.pipe", "os.set_blocking", "fcntl.fcntl", "os.posix_spawn"]


@pytest.mark.slow
@linux
@pytest.mark.parametrize("error", ERRORS, ids=[type(error).__name__ for error in ERRORS])
@pytest.mark.parametrize("step", STEPS)
def test_whatever_step_of_the_start_fails_the_log_is_written_directly(
    step: str, error: BaseException, monkeypatch: Any, descriptors: Any, events: Callable[..., Any]
) -> None:
    home, _, name = step.partition(".")
    before = descriptors()
    write = os.write
    with monkeypatch.context() as patch, recorded_warnings() as messages:
        if step == "os.write":  # and not that of the log
            patch.setattr(os, name, lambda fd, data: write(fd, data) if len(data) < SIZE else failing(error)())
        else:
            patch.setattr(sys.modules[home], name, failing(error))
        log = Logger(PATH, writer="process")
    assert len(messages) == 1 and messages[0].startswith("no process could be started to write a.jsonl: ")
    assert log.event("x", number=0) == 2
    log.close()
    Logger(PATH).close()
    assert descriptors() <= before and numbers(events(PATH)) == [0]


@pytest.mark.slow
@pytest.mark.parametrize("executable", [None, "", "/nowhere/python", "/", "script", "/dev/null"])
def test_without_an_interpreter_that_can_be_started_the_log_is_written_directly(
    executable: str | None, monkeypatch: Any, descriptors: Any, events: Callable[..., Any]
) -> None:
    Path("script").write_text("#!/nowhere/python\n")
    Path("script").chmod(0o755)
    monkeypatch.setattr(sys, "executable", executable and os.path.join(os.getcwd(), executable))
    before = descriptors()
    with recorded_warnings() as messages:
        log = Logger(PATH, writer="process")
    assert len(messages) == 1 and messages[0].startswith("no process could be started to write a.jsonl: ")
    log.event("x", number=0)
    log.close()
    assert descriptors() <= before and numbers(events(PATH)) == [0]


def test_without_a_directory_for_temporary_files_a_log_is_still_written(
    monkeypatch: Any, descriptors: Any, events: Callable[..., Any]
) -> None:
    """It is used only where the system has no memory that has a descriptor."""
    import tempfile

    before = descriptors()
    monkeypatch.delattr(os, "memfd_create", raising=False)
    with Logger(PATH, writer="process") as log:
        wait_for_writer(log)
        log.event("x", number=0)
    assert numbers(events(PATH)) == [0]
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    with recorded_warnings() as messages:
        log = Logger("b.jsonl", writer="process")
    assert len(messages) == 1 and messages[0].startswith("no process could be started to write b.jsonl: [Errno 2]")
    log.event("x", number=0)
    log.close()
    assert descriptors() <= before and numbers(events("b.jsonl")) == [0]


class Stop(BaseException):
    """What a signal handler raises."""


@pytest.mark.slow
@linux
def test_an_exception_at_any_moment_of_the_start_leaves_nothing_open(run: Callable[..., Any]) -> None:
    """The log is free at once, no process is left, and the file is as it was."""
    assert int(run(program("process_faults_exception_at_start")).stdout) > 20


@pytest.mark.slow
def test_a_process_that_never_starts_writing_blocks_no_call_and_keeps_no_file_open(
    monkeypatch: Any, constant: Any, events: Callable[..., Any]
) -> None:
    constant("_write.process.progress.PROGRESS_TIMEOUT", 0.3)
    constant("_write.process.child.PROGRESS_TIMEOUT", 0.3)
    Path("python").write_text("#!/bin/sh\nexec sleep 1000\n")
    Path("python").chmod(0o755)
    monkeypatch.setattr(sys, "executable", os.path.join(os.getcwd(), "python"))
    log = Logger(PATH, writer="process")
    pid = writer_of(log)._process.pid
    for number in range(10):
        assert log.event("x", number=number) == number + 2
    with recorded_warnings() as messages:
        log.close()
    assert [message.partition(").")[0] for message in messages] == [
        "the writer process of a.jsonl has ended (it did not begin in time, and was killed"
    ]
    assert has_ended(pid)
    Logger(PATH).close()
    log = Logger(PATH, writer="process")
    pid = writer_of(log)._process.pid
    constant("_write.process.client._START_TIMEOUT", 0.0)
    with recorded_warnings() as messages:
        assert log.event("x", number=10) is not None
    assert len(messages) == 1 and has_ended(pid)
    log.close()
    dropped = Logger(PATH, writer="process")
    pid = writer_of(dropped)._process.pid
    with recorded_warnings() as messages:
        del dropped
    assert len(messages) == 1 and has_ended(pid)
    Logger(PATH).close()
    assert numbers(events(PATH)) == list(range(11))


NEIGHBORS = ("enum", "select", "hashlib", "struct", "signal", "zlib", "json", "typing", "datetime", "random", "time")
SHADOWED = program("process_faults_shadowed")


@pytest.mark.slow
@pytest.mark.parametrize("place", ["site", "site.zip"])
def test_modules_next_to_the_package_do_not_shadow_the_standard_library(
    place: str, conforms: Callable[..., Any], tmp_path: Path
) -> None:
    shutil.copytree(PACKAGE, "site/mlvlogger", ignore=shutil.ignore_patterns("__pycache__"))
    for name in NEIGHBORS:
        Path("site", f"{name}.py").write_text("open('shadowed', 'w').close()\nraise SystemExit(9)\n")
    if place.endswith(".zip"):
        with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(Path("site").rglob("*.py")):
                archive.write(file, file.relative_to("site"))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", SHADOWED, str(tmp_path / place)],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "hello\n", "")
    assert not Path("shadowed").exists()
    streams = conforms("runs/e", sealed=True)
    assert [event["data"]["text"] for event in streams["log/output.jsonl"] if event["event"] == "stdout"] == ["hello"]


@pytest.mark.parametrize("how", ["SIGKILL", "SIGSEGV", "script", "exception", "hostile"])
def test_the_warning_says_how_the_writer_process_ended(how: str, monkeypatch: Any, events: Callable[..., Any]) -> None:
    scripts = {"script": "echo no libpython >&2; exit 3", "hostile": "printf 'a\\n\\033[31mred\\0' >&2; exit 3"}
    reasons = {
        "SIGKILL": "SIGKILL",
        "SIGSEGV": "SIGSEGV",
        "script": "exit code 3: no libpython",
        "exception": "exit code 1: ModuleNotFoundError: No module named 'nowhere'",
        "hostile": "exit code 3: ?[31mred",
    }
    if how in scripts:
        Path("python").write_text(f"#!/bin/sh\n{scripts[how]}\n")
        Path("python").chmod(0o755)
        monkeypatch.setattr(sys, "executable", os.path.join(os.getcwd(), "python"))
    elif how == "exception":
        monkeypatch.setattr(spawn, "_COMMAND", "import nowhere")
    log = Logger(PATH, writer="process")
    if how.startswith("SIG"):
        os.kill(wait_for_writer(log)._process.pid, getattr(signal, how))
    with recorded_warnings() as messages:
        number = 0
        while writer_of(log)._successor is None:
            log.event("x", number=number)
            number += 1
            time.sleep(0.001)
        log.close()
    assert messages == [
        f"the writer process of a.jsonl has ended ({reasons[how]}). No event is lost: this process has written the "
        "rest, and writes the events itself from now on."
    ]
    assert numbers(events(PATH)) == list(range(number))


def fill(memory: Any, begin: int, end: int, rng: random.Random) -> None:
    memory[begin:end] = rng.randbytes(end - begin)


def word(number: int, value: int) -> Callable[[Any, random.Random], None]:
    def change(ring: Ring, _: random.Random) -> None:
        ring.words[number] = value

    return change


def records(ring: Ring, rng: random.Random) -> None:
    fill(ring.memory, 4096, 4096 + SIZE, rng)


def one_byte(ring: Ring, rng: random.Random) -> None:
    tail = ring.words[TAIL]
    place = 4096 + rng.randrange(tail, ring.position[0]) % SIZE
    ring.memory[place] ^= 1 << rng.randrange(8)


def headers(ring: Ring, rng: random.Random) -> None:
    """That of each tenth record that waits: another length."""
    for number, (record, end) in enumerate(list(ring.records_from(ring.words[TAIL]))):
        if number % 10 == 5:
            place = 4096 + (end - (len(record) + 15 & -8)) % SIZE
            fill(ring.memory, place, place + 4, rng)


def everything(ring: Ring, rng: random.Random) -> None:
    fill(ring.memory, 0, len(ring.memory), rng)


def all_words(ring: Ring, rng: random.Random) -> None:
    fill(ring.memory, 0, 4096, rng)


def zeros(ring: Ring, _: random.Random) -> None:
    ring.memory[:] = bytes(len(ring.memory))


BIG = 2**64 - 1
CHANGES: dict[str, Callable[[Any, random.Random], None]] = {
    "records": records,
    "a byte": one_byte,
    "headers": headers,
    "everything": everything,
    "words": all_words,
    "zeros": zeros,
    **{
        f"{name} {value}": word(number, value)
        for name, number in (("HEAD", HEAD), ("TAIL", TAIL), ("ERROR", ERROR), ("TRIES", TRIES))
        for value in (0, 8, SIZE, BIG)
    },
    **{f"{name} {BIG}": word(number, BIG) for name, number in (("UNSEALED", UNSEALED), ("READY", READY))},
    **{
        f"{name} {value}": word(number, value)
        for name, number in (("CLOSING", CLOSING), ("READY", READY))
        for value in (0, 1)
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("on_error", ["warn", "raise"])
@pytest.mark.parametrize("change", CHANGES)
def test_shared_memory_changed_by_another_process_raises_nothing_and_loses_only_the_changed_records(
    change: str, on_error: str, events: Callable[..., Any]
) -> None:
    rng = random.Random(change)
    log = Logger(PATH, writer="process", on_error=on_error)
    writer = wait_for_writer(log)
    acknowledged: dict[int, int] = {}
    number = 0

    def some(count: int, pause: float) -> None:
        nonlocal number
        for _ in range(count):
            number += 1
            try:
                seq = log.event("x", number=number)
            except WriteFailed:
                assert on_error == "raise"
            else:
                if seq is not None:
                    acknowledged[seq] = number
            time.sleep(pause)

    with recorded_warnings() as messages:
        some(100, 0)
        log.flush()
        os.kill(writer._process.pid, signal.SIGSTOP)
        some(200, 0)
        CHANGES[change](writer._ring, rng)
        some(10, 0)
        os.kill(writer._process.pid, signal.SIGCONT)
        some(20, 0.005)
        if writer._successor is None:
            CHANGES[change](writer._ring, rng)
        some(20, 0.005)
        for call in (log.flush, log.close, log.close):
            try:
                call()
            except WriteFailed:
                assert on_error == "raise"
    assert has_ended(writer._process.pid) or writer._process.pid in child._unreaped
    written = events(PATH)
    found = {event["seq"]: event["data"]["number"] for event in written if event["event"] == "x"}
    assert sorted(found.values()) == list(found.values()) and set(found.values()) <= set(range(1, number + 1))
    lost = acknowledged.keys() - found.keys()
    assert all(found[seq] == acknowledged[seq] for seq in acknowledged.keys() - lost)
    counted = sum(
        event["data"]["last"] - event["data"]["first"] + 1 for event in written if event["event"] == "mlv/dropped"
    )
    gaps = sum(event["event"] in ("mlv/dropped", "mlv/seal") for event in written)
    assert counted <= len(lost) <= counted + gaps
    if lost:
        assert "shared memory" in str(written) or gaps
        assert any("the memory that the two processes share was changed" in message for message in messages)
        assert any(f"{len(lost)} event" in message for message in messages)
    if change not in ("records", "a byte", "headers", "everything", "zeros") and not change.startswith("TAIL"):
        assert not lost
    if change == "a byte":
        assert len(lost) <= 2
    Logger(PATH).close()


@pytest.mark.slow
@linux
@pytest.mark.parametrize("change", ["records", "everything", "words", f"HEAD {BIG}", f"TAIL {BIG}", "TAIL 0", "HEAD 0"])
def test_a_writer_process_whose_memory_was_changed_ends_with_its_logger(
    change: str, begin: Callable[..., Any], events: Callable[..., Any]
) -> None:
    code = program("process_faults_memory_changed")
    script = begin(code, change)
    pid = int(script.stdout.readline())
    script.wait()
    os.kill(pid, signal.SIGCONT)
    while not has_ended(pid):
        time.sleep(0.01)
    Logger(PATH).close()
    found = numbers(events(PATH))
    assert found == list(range(len(found))) and len(found) >= 100
    if change[:4] in ("HEAD", "TAIL", "word"):
        assert len(found) == 200


@linux
@pytest.mark.parametrize("on_error", ["warn", "raise"])
def test_events_that_are_not_written_at_close_are_reported(on_error: str, run: Callable[..., Any], events: Any) -> None:
    """A disk that is full for ever: RLIMIT_FSIZE of the writer process."""
    code = program("process_faults_other_cannot_write")
    [message] = [line for line in run(code, on_error).stdout.splitlines() if line]
    Logger(PATH).close()
    written = numbers(events(PATH))
    assert 1 < len(written) < 40 and written == list(range(len(written)))
    count = 40 - len(written)
    assert message.startswith("events could not be written to a.jsonl: [Errno 27] File too large")
    assert f"; {count} events (seq {len(written) + 2} to 41) are not in the file" in message


@linux
def test_events_that_neither_process_can_write_at_close_are_reported(run: Callable[..., Any], events: Any) -> None:
    code = program("process_faults_neither_can_write")
    message = run(code).stdout
    Logger(PATH).close()
    written = numbers(events(PATH))
    assert 1 < len(written) < 40 and written == list(range(len(written)))
    assert f"{40 - len(written)} events (seq {len(written) + 2} to 41) are not in the file" in message


@pytest.mark.slow
def test_threads_that_log_while_memory_is_changed_see_no_exception(events: Callable[..., Any]) -> None:
    log = Logger(PATH, writer="process")
    writer = wait_for_writer(log)
    errors: list[BaseException] = []

    def work() -> None:
        try:
            for number in range(300):
                log.event("y", number=number)
                time.sleep(0.001)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    with recorded_warnings():
        for thread in threads:
            thread.start()
        time.sleep(0.05)
        all_words(writer._ring, random.Random(2))
        records(writer._ring, random.Random(3))
        for thread in threads:
            thread.join()
        log.close()
    assert errors == []
    events(PATH)
