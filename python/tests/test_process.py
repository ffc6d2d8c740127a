"""The process writer: what it shares with the direct one, and what happens when one of the two processes is gone."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import mlvlogger
from mlvlogger import Exp, Logger, StreamBusy, read
from mlvlogger._write.process.ring import ERROR, READY, SIZE, TAIL, Ring
from program import program
from writer_process import wait_for_writer, writer_of

pytestmark = pytest.mark.skipif(os.name == "nt", reason="not applicable: Windows has no posix_spawn")

HOME = str(Path(mlvlogger.__file__).parent)
PATH = Path("a.jsonl")


def opened() -> Logger:
    """A log whose writer process is at work."""
    log = Logger(PATH, writer="process")
    wait_for_writer(log)
    return log


def stopped_before_it_writes() -> Logger:
    """A log whose writer process is stopped while it starts, however late this process comes to stop it."""
    while True:
        log = Logger(PATH, writer="process")
        pid = writer_of(log)._process.pid
        os.kill(pid, signal.SIGSTOP)
        os.waitpid(pid, os.WUNTRACED)  # until it is stopped
        if not writer_of(log)._ring.words[READY]:
            return log
        os.kill(pid, signal.SIGCONT)
        log.close()
        PATH.unlink()


def numbers(written: list[dict[str, Any]]) -> list[int]:
    return [event["data"]["number"] for event in written if event["event"] == "x"]


def test_the_other_process_writes_what_the_direct_writer_would(events: Callable[..., Any]) -> None:
    """The same calls, the same lines but for their time and pid; every kind of data, and a sealed end."""
    lines: dict[str, list[Any]] = {}
    for writer in ("direct", "process"):
        with Logger(f"{writer}.jsonl", writer=writer) as log:
            for value in (1, -0.0, 2**53, float("nan"), 1e300, True, None, "é", [1, {"a": 2}], 10**5000):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    log.event("x", value=value, other=1)
            log.event("none")
            log.event("x", {"_mlv": 1, "a%a": 2, "é": 3})
            with log.span("span", n=1) as span:
                span.event("inner", step=1)
            log.pause("because")
            log.resume()
        lines[writer] = []
        for event in events(f"{writer}.jsonl"):
            for member in ("time", "seconds"):
                event.pop(member, None)
            event["data"].pop("sha256", None)
            lines[writer].append(event)
    assert lines["process"] == lines["direct"]


def test_events_are_in_the_file_when_flush_returns_and_soon_without_it(events: Callable[..., Any]) -> None:
    log = opened()
    seqs = [log.event("x", number=number) for number in range(100)]
    assert seqs == list(range(2, 102))
    log.flush()
    assert numbers(events(PATH)) == list(range(100))
    log.event("x", number=100)
    while b'"number":100}' not in PATH.read_bytes():
        time.sleep(0.01)
    log.close()
    assert events(PATH)[-1]["event"] == "mlv/end"


@pytest.mark.slow
def test_nothing_is_lost_when_the_caller_is_killed(begin: Callable[..., Any], events: Callable[..., Any]) -> None:
    """The stream can be continued at once: an opener waits for the writer process, which is still at work."""
    code = program("process_caller_killed")
    holder = begin(code)
    seq = int(holder.stdout.readline())
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with Logger(PATH) as log:
        assert log.event("after") == seq + 2
    assert numbers(events(PATH)) == list(range(20_000))


def test_an_opener_waits_for_the_writer_process_of_a_killed_caller(begin: Any, events: Callable[..., Any]) -> None:
    """The writer process is halted for a moment, as on a busy machine, while someone opens the log."""
    code = program("process_opener_waits")
    holder = begin(code)
    writer = int(holder.stdout.readline())
    os.kill(writer, signal.SIGSTOP)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    timer = threading.Timer(0.3, os.kill, (writer, signal.SIGCONT))
    timer.start()
    with Logger(PATH) as log:
        assert log.event("after") == 4
    timer.join()
    assert numbers(events(PATH)) == [0]


@pytest.mark.parametrize("way", ["return", "exit", "_exit", "abort", "raise", "SIGTERM", "SIGINT", "SIGHUP"])
def test_nothing_is_lost_however_the_caller_ends(way: str, events: Callable[..., Any]) -> None:
    code = program("process_caller_ends")
    subprocess.run([sys.executable, "-c", code, way], stderr=subprocess.DEVNULL, start_new_session=True)
    Logger(PATH).close()
    assert numbers(events(PATH)) == list(range(500))


HALTED = program("process_halted")


@pytest.fixture
def halted(tmp_path: Path) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """A program in a separate process group, and the pid of its writer process.

    That is stopped, with 3999 events unwritten, which are more than it writes at once.
    """
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    program = subprocess.Popen([sys.executable, "-c", HALTED], cwd=tmp_path, start_new_session=True, **pipes)
    assert program.stdout
    pid = int(program.stdout.readline())
    yield program, pid
    for number in (program.pid, pid):
        try:
            os.kill(number, signal.SIGKILL)
        except ProcessLookupError:
            pass
    program.communicate()


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"])
def test_a_signal_to_all_processes_at_once_loses_nothing(name: str, halted: Any, events: Any) -> None:
    """As a scheduler sends it to a whole job; the writer process meets it before it has written anything."""
    program, pid = halted
    os.kill(pid, getattr(signal, name))
    os.kill(program.pid, getattr(signal, name))
    program.send_signal(signal.SIGKILL)  # what the signal has left of it
    program.wait()
    os.kill(pid, signal.SIGCONT)
    Logger(PATH).close()
    assert numbers(events(PATH)) == list(range(4000))


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGINT", "SIGHUP"])
def test_a_signal_to_the_process_group_of_the_caller_does_not_reach_the_writer_process(
    name: str, halted: Any, events: Any
) -> None:
    """As `timeout -k` sends SIGKILL, and a terminal that is closed SIGHUP."""
    program, pid = halted
    assert os.getpgid(program.pid) == program.pid and os.getsid(pid) == os.getpgid(pid) == pid
    os.killpg(program.pid, getattr(signal, name))
    os.kill(program.pid, signal.SIGKILL)
    program.wait()
    os.kill(pid, signal.SIGCONT)
    Logger(PATH).close()
    assert numbers(events(PATH)) == list(range(4000))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="not applicable: limits of another process are Linux's")
@pytest.mark.parametrize("torn", [0, 50])
def test_a_writer_process_whose_caller_has_ended_retries_until_the_disk_has_space(
    torn: int, halted: Any, events: Any
) -> None:
    import resource

    program, pid = halted
    size = PATH.stat().st_size + torn
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    program.kill()
    program.wait()

    def sleeps() -> int:
        return int(Path(f"/proc/{pid}/status").read_text().partition("\nvoluntary_ctxt_switches:")[2].split()[0])

    before = sleeps()
    os.kill(pid, signal.SIGCONT)
    while sleeps() < before + 5:  # one after each try
        time.sleep(0.01)
    assert PATH.stat().st_size <= size
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    Logger(PATH).close()
    assert numbers(events(PATH)) == list(range(4000))


@pytest.mark.slow
@pytest.mark.parametrize("moment", range(6))
def test_a_killed_writer_process_is_noticed_and_nothing_is_lost_or_repeated(moment: int, events: Any) -> None:
    log = opened()
    pid = writer_of(log)._process.pid

    def kill() -> None:
        time.sleep(moment * 0.03)
        os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.warns(RuntimeWarning, match="the writer process of a.jsonl has ended"):
        for number in range(2000):
            assert log.event("x", number=number) == number + 2
            if number % 10 == 0:
                time.sleep(0.001)
        killer.join()
        log.flush()
    log.event("x", number=2000)
    assert log.event("x", number=2001) == 2003
    log.close()
    written = events(PATH)
    assert numbers(written) == list(range(2002)) and written[-1]["event"] == "mlv/end"


@pytest.mark.slow
def test_the_caller_does_not_wait_forever_for_a_stopped_writer_process(constant: Any, events: Any) -> None:
    """SIGSTOP simulates a disk that hangs: the ring fills, then events wait in memory, and all are there."""
    constant("_write.process.progress.PROGRESS_TIMEOUT", 0.3)
    constant("_write.process.child.PROGRESS_TIMEOUT", 0.3)
    log = opened()
    os.kill(writer_of(log)._process.pid, signal.SIGSTOP)
    fill = "y" * 700
    with pytest.warns(RuntimeWarning, match="The writer process made no progress for seconds") as caught:
        seqs = [log.event("x", number=number, fill=fill) for number in range(3000)]
    assert len(caught) == 1
    kept = seqs.index(None)
    assert kept * 700 < SIZE < kept * 1000 and set(seqs[kept:]) == {None}
    constant("_write.process.progress.PROGRESS_TIMEOUT", 60.0)  # from now on, it only shares the processor
    constant("_write.process.child.PROGRESS_TIMEOUT", 60.0)
    os.kill(writer_of(log)._process.pid, signal.SIGCONT)
    while log.event("later") is None:
        time.sleep(0.01)
    log.close()
    assert numbers(events(PATH)) == list(range(3000))


def test_until_the_other_process_writes_events_are_in_the_file_when_event_returns(events: Any) -> None:
    for _ in range(100):
        log = Logger(PATH, writer="process")
        pid = writer_of(log)._process.pid
        os.kill(pid, signal.SIGSTOP)
        os.waitpid(pid, os.WUNTRACED)  # it is stopped
        if not writer_of(log)._ring.words[READY]:
            break
        os.kill(pid, signal.SIGCONT)  # it was faster than this process, which a busy machine had suspended
        log.close()
        PATH.unlink()
    for number in range(10):
        assert log.event("x", number=number) == number + 2
        assert json.loads(PATH.read_bytes().splitlines()[-1])["data"] == {"number": number}
    os.kill(writer_of(log)._process.pid, signal.SIGCONT)
    wait_for_writer(log)
    for number in range(10, 20):
        assert log.event("x", number=number) == number + 2
    log.close()
    assert numbers(events(PATH)) == list(range(20))


@pytest.mark.slow
def test_while_the_ring_is_full_the_caller_waits_and_loses_nothing(constant: Any, events: Callable[..., Any]) -> None:
    constant("_write.process.progress.PROGRESS_TIMEOUT", 60.0)  # it only shares the processor
    constant("_write.process.child.PROGRESS_TIMEOUT", 60.0)
    log = opened()
    ring, pid = writer_of(log)._ring, writer_of(log)._process.pid
    os.kill(pid, signal.SIGSTOP)

    def resume() -> None:
        while ring.position[0] - ring.words[TAIL] < SIZE - 2000:
            time.sleep(0.001)
        time.sleep(0.1)
        os.kill(pid, signal.SIGCONT)

    resumer = threading.Thread(target=resume)
    resumer.start()
    fill = "y" * 700
    assert None not in [log.event("x", number=number, fill=fill) for number in range(3000)]
    resumer.join()
    log.close()
    assert numbers(events(PATH)) == list(range(3000))


@pytest.mark.slow
def test_an_event_larger_than_the_ring_is_written_in_order(events: Callable[..., Any]) -> None:
    with opened() as log:
        for number in range(8):
            log.event("x", number=number, text="é" * (number % 3) * 80_000)
    assert numbers(events(PATH)) == list(range(8))


def test_threads_share_a_process_writer(events: Callable[..., Any]) -> None:
    log = opened()
    acknowledged: list[tuple[int | None, int]] = []

    def work(thread: int) -> None:
        acknowledged.extend((log.event("x", number=thread * 1000 + n), thread * 1000 + n) for n in range(300))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    written = {event["seq"]: event["data"]["number"] for event in events(PATH) if event["event"] == "x"}
    assert written == dict(acknowledged) and len(written) == 2400


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="not applicable: limits of another process are Linux's")
def test_a_disk_that_is_full_for_a_while_loses_no_event_and_warns_once(run: Any, events: Any) -> None:
    last, *messages = run(program("process_full_disk_warns_once"), "warn").stdout.splitlines()
    assert len(messages) == 1 and messages[0].startswith("cannot write to a.jsonl: File too large. Events are kept")
    assert numbers(events(PATH)) == list(range(int(last) + 1))


@pytest.mark.skipif(sys.platform != "linux", reason="not applicable: limits of another process are Linux's")
@pytest.mark.parametrize("call", ["flush", "close"])
def test_queued_events_are_written_by_the_first_call_after_the_disk_has_space(call: str, run: Any, events: Any) -> None:
    last = int(run(program("process_full_disk_then_space"), "warn", call).stdout)
    written = events(PATH)
    assert numbers(written) == list(range(last + 1)) and written[-1]["event"] == "mlv/end"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="not applicable: limits of another process are Linux's")
def test_with_on_error_raise_events_raise_while_the_other_process_cannot_write(run: Any, events: Any) -> None:
    message, kept = run(program("process_full_disk_raises"), "raise").stdout.splitlines()
    assert "File too large" in message
    assert numbers(events(PATH)) == list(map(int, kept.split()))


def test_a_forked_child_writes_its_own_stream_directly(child: Callable[..., int], events: Any) -> None:
    log = Logger(PATH, writer="process")
    log.event("x", number=0)

    def work() -> None:
        assert log.event("x", number=1) == 2
        log.close()

    child(work)
    child(lambda: None)
    log.event("x", number=2)
    log.close()
    assert numbers(events(PATH)) == [0, 2]
    assert numbers(events("a.fork-1.jsonl")) == [1]


def test_all_streams_of_an_experiment_use_the_process_writer(conforms: Callable[..., Any]) -> None:
    with Exp("runs", "a", {"lr": 1}, writer="process") as exp:
        exp.log.event("x", number=0)
        exp.stream("gpu").event("x", number=1)
        with exp.create("note.txt", "w") as file:
            file.write("text")
    assert conforms("runs/a", sealed=True).keys() == {"log.jsonl", "log/gpu.jsonl"}
    assert [event.data for event in read("runs/a").events("x", stream="gpu")] == [{"number": 1}]


def test_a_mark_includes_only_events_that_are_in_the_file() -> None:
    """A checkpoint outlives all processes, and so must the events up to its mark."""
    with Exp("runs", "e", writer="process") as exp:
        exp.log.event("x")
        exp.stream("gpu").event("x")
        mark = exp.mark()
        assert list(mark) == ["log.jsonl", "log/gpu.jsonl"]
        for stream, seq in mark.items():
            assert json.loads((exp.path / stream).read_bytes().splitlines()[-1])["seq"] == seq == 2


def test_a_process_that_cannot_be_started_causes_a_warning(monkeypatch: Any, events: Any) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.warns(RuntimeWarning, match="no process could be started to write a.jsonl"):
        log = Logger(PATH, writer="process")
    log.event("x", number=0)
    log.close()
    assert numbers(events(PATH)) == [0]


def test_close_leaves_no_process_no_descriptor_and_no_lock(descriptors: Any) -> None:
    before = descriptors()
    log = Logger(PATH, writer="process")
    pid = writer_of(log)._process.pid
    with pytest.raises(StreamBusy):
        Logger(PATH)
    log.close()
    log.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert descriptors() <= before, "a descriptor leaked"
    Logger(PATH).close()


def test_a_dropped_logger_ends_its_process(events: Callable[..., Any]) -> None:
    import gc

    Logger(PATH, writer="process").event("x", number=0)
    gc.collect()
    with Logger(PATH) as log:
        log.event("x", number=1)
    assert numbers(events(PATH)) == [0, 1]


def test_with_durability_disk_flush_syncs(monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    sync = os.fdatasync

    def observe(fd: int) -> None:
        synced.append(os.fstat(fd).st_size)
        sync(fd)

    monkeypatch.setattr(os, "fdatasync", observe)
    log = Logger(PATH, writer="process", durability="disk")
    synced.clear()
    for number in range(10):
        log.event("x", number=number)
    assert synced == []
    log.flush()
    assert synced == [PATH.stat().st_size]
    log.close()
    assert synced[-1] == PATH.stat().st_size


@pytest.mark.slow
@pytest.mark.rule("writer.seal-often")
def test_a_long_log_is_sealed_in_between_by_the_other_process(events: Callable[..., Any]) -> None:
    """70 MiB; the logger process decides when, by the progress of the writer process."""
    with Logger(PATH, writer="process") as log:
        for number in range(80):
            log.event("x", number=number, text="y" * 900_000)
            log.event("x", number=number, text="y" * 900)
    lines = PATH.read_bytes().splitlines()
    assert sum(b'"event":"mlv/seal"' in line for line in lines) == 1
    PATH.unlink()


def test_the_ring_returns_records_of_all_lengths_whole_and_in_order() -> None:
    fd = Ring.make()
    one, other = Ring(fd), Ring(fd)
    os.close(fd)
    put: list[bytes] = []
    taken: list[bytes] = []
    length = 0
    for number in range(30_000):
        length = (length * 31 + 7) % 2000
        record = bytes([number % 251]) * length
        while not one.put(record):
            for found, end in other.records_from(other.words[TAIL]):
                taken.append(found)
                other.words[TAIL] = end
        put.append(record)
    for found, end in other.records_from(other.words[TAIL]):
        taken.append(found)
        other.words[TAIL] = end
    assert taken == put and one.is_empty and other.words[ERROR] == 0


class Stop(BaseException):
    """What a signal handler raises."""


def at_call(number: int, act: Callable[[], Any], work: Callable[[], Any]) -> bool:
    """As `test_streams.at_each_call`: *act* at the n-th place inside mlvlogger where Python runs signal handlers."""
    left = number

    def profile(frame: Any, event: str, _: Any) -> None:
        nonlocal left
        if event in ("call", "c_return") and frame.f_code.co_filename.startswith(HOME):
            left -= 1
            if left == 0:
                sys.setprofile(None)
                act()

    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
    return left <= 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "step", "starts"),
    [(10, 1, False), (300_000, 7, False), (10, 1, True)],
    ids=["short", "large", "while the writer process starts"],
)
def test_an_exception_of_a_signal_handler_at_any_moment_loses_and_repeats_nothing(
    size: int, step: int, starts: bool, events: Any
) -> None:
    def stop() -> None:
        raise Stop

    log = stopped_before_it_writes() if starts else opened()
    acknowledged: dict[int, int] = {}
    fills = iter(range(10**6))

    def event() -> None:
        number = next(fills)
        seq = log.event("x", number=number, text="y" * size)
        assert seq is not None
        acknowledged[seq] = number

    def work() -> None:
        event()
        log.flush()
        event()

    number, more = 0, True
    while more:
        number += step
        try:
            more = at_call(number, stop, work)
        except Stop:
            pass
        event()
    os.kill(writer_of(log)._process.pid, signal.SIGCONT)
    log.close()
    written = {e["seq"]: e["data"]["number"] for e in events(PATH) if e["event"] == "x"}
    assert acknowledged.items() <= written.items() and number > 30
    assert sorted(written.values()) == list(written.values()) and len(set(written.values())) == len(written)


@pytest.mark.slow
def test_an_exception_of_a_signal_handler_while_closing_leaves_a_log_that_can_be_resumed(events: Any) -> None:
    def stop() -> None:
        raise Stop

    number, more = 0, True
    while more:
        number += 1 + number // 4  # most places are in the wait for the writer process
        path = Path(f"{number}.jsonl")
        log = Logger(path, writer="process")
        log.event("x", number=number)
        try:
            more = at_call(number, stop, log.close)
        except Stop:
            pass
        log.close()
        Logger(path).close()
        written = events(path)
        assert numbers(written) == [number] and written[-1]["event"] == "mlv/end", f"place {number}"
    assert number > 20


def test_an_event_of_a_signal_handler_at_any_moment_is_logged_in_order(events: Any) -> None:
    log = opened()

    def work(number: int) -> None:
        log.event("x", number=number)
        log.flush()

    number, more = 0, True
    while more:
        number += 1
        more = at_call(number, lambda: log.event("handler"), partial(work, number))
    log.close()
    written = events(PATH)
    assert numbers(written) == list(range(1, number + 1))
    assert sum(event["event"] == "handler" for event in written) == number - 1 and number > 20


@pytest.mark.slow
@pytest.mark.rule("writer.fork")
@pytest.mark.parametrize("writer", ["direct", "process"])
def test_a_child_forked_by_a_signal_handler_during_an_event_logs_it_in_its_own_stream(
    writer: str, events: Callable[..., Any]
) -> None:
    """The event that was interrupted continues in both processes, as everything does after a fork."""
    number, more = 0, True
    while more:
        number += 1
        path = Path(f"{number}.jsonl")
        log = Logger(path, writer=writer)
        pids: list[int] = []

        def fork(pids: list[int] = pids) -> None:
            pids.append(os.fork())

        more = at_call(number, fork, partial(log.event, "x", number=7))
        if pids == [0]:
            status = 1
            try:
                log.event("x", number=8)
                log.close()
                status = 0
            finally:
                os._exit(status)
        for pid in pids:
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, f"place {number}"
        log.event("x", number=9)
        log.close()
        assert numbers(events(path)) == [7, 9], f"place {number}"
        if pids:
            assert numbers(events(f"{number}.fork-1.jsonl"))[-1:] == [8], f"place {number}"
    assert number > 5
