"""Several writers: threads, ranks, scripts that add at once, spawned workers, and who holds a stream for how long."""

import os
import pickle
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlvlogger import Exp, Logger, StreamBusy, read
from mlvlogger._launcher import RANKS as VARIABLES
from program import program

HOME = Path("runs/e")


def names(written: list[dict[str, Any]]) -> list[str]:
    return [event["event"] for event in written]


@pytest.fixture
def kills() -> Iterator[Callable[[int], None]]:
    """`kills(pid)`: a process that the test's own child started; it is killed when the test is over."""
    pids: list[int] = []
    yield pids.append
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


# Threads


@pytest.mark.slow
@pytest.mark.parametrize("writer", ["direct", "process"])
def test_thirty_two_threads_with_spans_share_a_logger(writer: str, events: Callable[..., Any]) -> None:
    """Nothing is lost, the events of each thread keep their order and their spans."""
    log = Logger("a.jsonl", writer=writer)
    acknowledged: dict[int, list[int | None]] = {}
    start = threading.Barrier(32)

    def work(thread: int) -> None:
        start.wait()
        seqs = acknowledged[thread] = []
        for epoch in range(5):
            with log.span("epoch", thread=thread, epoch=epoch) as span:
                seqs.append(span.seq)
                for batch in range(10):
                    with span.span("batch", thread=thread, batch=batch) as inner:
                        seqs.append(inner.seq)
                        seqs.append(inner.event("x", thread=thread, epoch=epoch, batch=batch))

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    log.close()
    written = {event["seq"]: event for event in events("a.jsonl")}
    assert len(written) == 32 * 5 * (2 + 10 * 3) + 2
    for number, of_thread in acknowledged.items():
        seqs = [seq for seq in of_thread if seq is not None]
        assert of_thread == sorted(set(seqs)) and len(seqs) == 5 * (1 + 10 * 2)
        assert {written[seq]["data"]["thread"] for seq in seqs} == {number}
        x = [written[seq] for seq in seqs if written[seq]["event"] == "epoch/batch/x"]
        numbers = [(epoch, batch) for epoch in range(5) for batch in range(10)]
        assert [(event["data"]["epoch"], event["data"]["batch"]) for event in x] == numbers
        for event in x:
            inner = written[event["within"]]
            outer = written[inner["within"]]
            assert (inner["data"], outer["data"]) == (
                {"thread": number, "batch": event["data"]["batch"]},
                {"thread": number, "epoch": event["data"]["epoch"]},
            )


# Who holds a stream, and for how long

LEAVES = [
    "a forked child",
    "a forked child that logs",
    "a worker of multiprocessing",
    "a program that it started",
    "a program of os.system",
]


@pytest.mark.rule("writer.one")
@pytest.mark.parametrize("writer", ["direct", "process"])
@pytest.mark.parametrize("leaves", LEAVES)
def test_a_killed_process_releases_the_stream_whatever_children_it_leaves(
    leaves: str, writer: str, begin: Callable[..., Any], kills: Any
) -> None:
    holder = begin(program("processes_killed_holder"), writer, leaves)
    pid = int(holder.stdout.readline())
    kills(pid)
    with pytest.raises(StreamBusy, match=f"process {holder.pid} on"):
        Logger("a.jsonl")
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    os.kill(pid, 0)  # it is there
    log = Logger("a.jsonl")
    assert log.event("z") == 4
    log.close()


@pytest.mark.slow
@pytest.mark.rule("writer.one")
def test_the_writer_process_of_a_killed_trainer_is_waited_for(begin: Callable[..., Any], events: Any) -> None:
    """It pauses for a while, with events that aren't written yet; then it writes them and releases its lock."""
    code = program("processes_trainer_killed")
    trainer = begin(code)
    writer = int(trainer.stdout.readline())
    trainer.kill()
    trainer.wait()
    continued = []

    def resume_it() -> None:
        continued.append(writer)
        os.kill(writer, signal.SIGCONT)

    timer = threading.Timer(0.5, resume_it)
    timer.start()
    log = Logger("a.jsonl")
    assert continued == [writer]
    assert log.event("y") == 1004
    log.close()
    timer.join()
    assert [event["data"].get("number") for event in events("a.jsonl") if event["event"] == "x"] == [None, *range(1000)]


@pytest.mark.slow
@pytest.mark.rule("writer.one")
def test_reading_in_the_process_of_the_writer_releases_no_lock(run: Callable[..., Any]) -> None:
    """A lock of POSIX (fcntl) belongs to the process, which loses it when it closes any descriptor of the file."""
    second = program("processes_read_own")
    with Exp("runs", "e") as exp:
        exp.log.event("x")
        calls: dict[str, Callable[[], object]] = {
            "read": lambda: (read(HOME).state, [*read(HOME).events()], [*read(HOME).spans()]),
            "find": lambda: Exp.find(HOME),
            "open": lambda: (HOME / "log.jsonl").read_bytes(),
            "open to write": lambda: open(HOME / "log.jsonl", "ab").close(),
            "a second writer": lambda: pytest.raises(StreamBusy, Logger, HOME / "log.jsonl"),
            "attach": lambda: exp.attach(HOME / "log.jsonl", "copy.jsonl"),
            "another stream": lambda: exp.stream("gpu").close(),
        }
        for name, call in calls.items():
            call()
            printed = run(second, HOME / "log.jsonl").stdout
            assert f"another writer has the log (process {os.getpid()} on " in printed, name
        assert exp.log.event("y") == 4


# Several scripts add to one experiment


def resume(home: Path) -> None:
    """A script that adds a record and continues every stream: a kill may have left a stream empty, or torn."""
    with Exp.open(home, {"after": 1}, stream="after") as exp:
        for name in read(home).streams:
            exp.stream(name[len("log/") : -len(".jsonl")] if name != "log.jsonl" else "more")


@pytest.mark.slow
@pytest.mark.rule("writer.number")
@pytest.mark.rule("writer.publish")
def test_scripts_that_add_at_once_and_are_killed_leave_whole_records_in_a_chain(
    begin: Callable[..., Any], conforms: Any
) -> None:
    """Five scripts add records without end; each is killed at a random moment and begun again, twenty times in all."""
    Exp("runs", "e").close()
    code = program("processes_adding_at_once")
    moments = random.Random(20261125)
    for _ in range(4):
        scripts = [begin(code, moments.getrandbits(40)) for _ in range(5)]
        for script in scripts:
            for _ in range(moments.randrange(1, 4)):
                assert script.stdout.readline()
        for script in scripts:
            time.sleep(moments.uniform(0, 0.02))
            script.kill()
        for script in scripts:
            script.wait()
    records = sorted(int(name[:-5]) for name in os.listdir(HOME / "meta") if not name.startswith(".mlv-"))
    assert records == list(range(2, len(records) + 2)) and len(records) > 10
    found = read(HOME)
    assert found.problems == [] and len(found.params) == len(records)
    assert set(Path("acknowledged").read_text().split()) <= set(found.params)
    resume(HOME)
    conforms(HOME, sealed=True)
    assert len(read(HOME).params) == len(records) + 1


@pytest.mark.slow
@pytest.mark.rule("writer.publish")
def test_a_script_killed_at_any_call_while_it_adds_leaves_a_whole_record_or_none(
    begin: Callable[..., Any], conforms: Any
) -> None:
    """It kills itself at its first call into the system, its second, …; another one then adds and logs."""
    code = program("processes_killed_while_adding")
    number, killed, whole = 0, True, 0
    while killed:
        number += 1
        home = Path("runs", str(number))
        Exp("runs", home.name).close()
        script = begin(code, number, home)
        killed = script.wait() == -signal.SIGKILL
        assert killed or script.returncode == 0
        added = read(home).params == {"killed": 1}
        whole += added
        resume(home)
        conforms(home, sealed=True)
        assert read(home).params == {**({"killed": 1} if added else {}), "after": 1}
    assert number > 8 and 2 < whole < number


# Ranks


def test_the_rank_is_that_of_the_innermost_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch script of Slurm has a SLURM_PROCID of 0, and what mpirun starts from there inherits it."""
    Exp("runs", "e").close()
    for number, name in enumerate(reversed(VARIABLES)):
        monkeypatch.setenv(name, str(number))
        Exp.join(HOME).close()
        assert (HOME / f"log/rank-{number}.jsonl").exists(), name
    assert VARIABLES[0] == "RANK" and VARIABLES[-1] == "SLURM_PROCID"


def test_a_local_rank_is_not_a_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    """LOCAL_RANK is the same on each node, so two workers would want one stream."""
    Exp("runs", "e").close()
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("SLURM_LOCALID", "1")
    with pytest.raises(ValueError, match="no rank: "):
        Exp.join(HOME)


def test_the_rank_is_read_when_it_is_asked_for(run: Callable[..., Any]) -> None:
    code = program("processes_rank_when_asked")
    run(code)
    assert sorted(os.listdir(HOME / "log")) == ["rank-0.jsonl", "rank-1.jsonl", "rank-2.jsonl"]


RANKS = program("processes_ranks")


@pytest.mark.slow
def test_ranks_of_a_launcher_that_starts_all_of_them_again_when_one_dies(conforms: Any) -> None:
    """As torchrun does: environment and processes; rank 2 aborts, the others get SIGTERM, and all begin once more."""

    def launch(attempt: int) -> list["subprocess.Popen[str]"]:
        workers = []
        for rank in (3, 2, 1, 0):  # the main one last
            known = {"RANK": rank, "LOCAL_RANK": rank % 2, "WORLD_SIZE": 4, "TORCHELASTIC_RESTART_COUNT": attempt}
            environment = {**os.environ, "SLURM_PROCID": "0", **{name: str(value) for name, value in known.items()}}
            pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
            workers.append(subprocess.Popen([sys.executable, "-c", RANKS], env=environment, text=True, **pipes))
        return workers

    def codes(workers: list["subprocess.Popen[str]"]) -> list[int]:
        for worker in workers:
            worker.communicate()
        return [worker.returncode for worker in workers]

    workers = launch(0)
    for worker in (workers[0], *workers[2:]):
        assert worker.stdout is not None and worker.stdout.readline() == "ready\n"
        worker.terminate()
    assert codes(workers) == [-signal.SIGTERM, -signal.SIGABRT, -signal.SIGTERM, -signal.SIGTERM]
    assert read(HOME).state == "open"
    assert codes(launch(1)) == [0] * 4
    assert read(HOME).state == "completed" and os.listdir(HOME / "meta") == ["2.json"]
    streams = conforms(HOME)
    assert sorted(streams) == ["log.jsonl", "log/rank-1.jsonl", "log/rank-2.jsonl", "log/rank-3.jsonl"]
    for name, written in streams.items():
        rank = 0 if name == "log.jsonl" else int(name[len("log/rank-")])
        steps = [e["data"] for e in written if e["event"] == "batch"]
        last = 10 if rank == 2 else 15
        assert steps == [
            {"step": step, "rank": rank, "attempt": attempt}
            for attempt, count in ((0, last + 1), (1, 20))
            for step in range(count)
        ]
        assert names(written).count("mlv/start") == 2 and names(written)[-1] == "mlv/end"


# Processes that inherit nothing


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_the_action_in_the_error_about_pickling_works(method: str, conforms: Any) -> None:
    """Each of the things is refused where it is sent, with the same advice; then the advice is followed."""
    Path("train.py").write_text(program("processes_sent"))
    done = subprocess.run([sys.executable, "train.py", method], check=True, capture_output=True, text=True)
    printed = done.stdout.splitlines()
    advice = "cannot be sent to another process. Send its path, and there use Exp.join(path, rank) or Exp.open(path)."
    assert printed[0] == f"<Exp 'runs/e'> {advice}" and len(printed) == 6
    for line in printed[1:]:
        assert line.endswith(
            "cannot be sent to another process. Send the experiment's path, and there use Exp.join(path, rank) or "
            "Exp.open(path); of a bare log, open another file."
        )
    streams = conforms(HOME)
    assert {name: names(written)[1:-1] for name, written in streams.items() if "rank" in name or "run" in name} == {
        "log/rank-0.jsonl": ["joined"],
        "log/rank-1.jsonl": ["joined"],
        "log/run-2.jsonl": ["opened"],
        "log/run-3.jsonl": ["opened"],
    }


def test_read_experiments_and_events_can_be_pickled() -> None:
    Exp("runs", "e", {"a": 1}).close()
    for found in (Exp.find(HOME), read(HOME)):
        sent = pickle.loads(pickle.dumps(found))
        assert (sent.id, sent.params) == (found.id, {"a": 1})
