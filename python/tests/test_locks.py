"""A dead process's lock stops no writer, a retry makes progress, and a dropped logger releases its lock at once."""

import errno
import gc
import itertools
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlvlogger import Exp, Logger, StreamBusy, read
from mlvlogger._disk import claims
from mlvlogger._disk.folder import Folder
from mlvlogger._disk.publish import publish
from program import program
from publishing import check_that_one_of_eight_threads_wins

HOME = Path("runs/e")

REFUSED = ["links", "links-renames", "links-renames-locks"]  # by the system: what the program locks_refused.py has


def age(claim: Path) -> None:
    """Let a claim that is a directory be stale in less than a second, long before its waiter gives up."""
    os.utime(claim, (time.time() - claims._STALE + 0.6,) * 2)


@pytest.mark.slow
@pytest.mark.parametrize("refused", REFUSED)
@pytest.mark.parametrize("call", ["Exp.resume('runs/e')", "Exp.open('runs/e')", "Exp('runs', 'f')"])
def test_a_writer_killed_while_it_publishes_blocks_no_other_process(
    refused: str, call: str, run: Any, conforms: Any
) -> None:
    """A real SIGKILL, between the claim on a name and the rename."""
    Exp("runs", "e").close()
    run(program("locks_refused"), refused, True, call, status=-signal.SIGKILL)
    for claim in Path("runs").rglob(".mlv-*.claim"):
        age(claim)
    run(program("locks_refused"), refused, False, f"{call}.close()")
    conforms(HOME if "runs/e" in call else Path("runs/f"), sealed="open" not in call)


@pytest.mark.slow
@pytest.mark.parametrize("claim", ["directory", "file"])
@pytest.mark.parametrize("refused", REFUSED)
@pytest.mark.parametrize("name", ["meta.json", "meta/2.json", "files/x.bin"])
def test_a_stale_claim_blocks_no_process(claim: str, refused: str, name: str, run: Any) -> None:
    if name != "meta.json":
        Exp("runs", "e").close()
    path = HOME / name
    path = path.with_name(f".mlv-{path.name}.claim")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir() if claim == "directory" else path.write_bytes(b"")
    age(path)
    call = "Exp('runs', 'e', exists='resume').attach(b'x', 'x.bin')"
    run(program("locks_refused"), refused, False, call)
    assert (HOME / name).exists()


@pytest.mark.parametrize("trouble", ["identity", "directory", "no locks"])
def test_a_claim_that_can_never_be_acquired_is_an_error_and_not_a_loop(
    trouble: str, monkeypatch: pytest.MonkeyPatch, constant: Any
) -> None:
    """On a file system that gives a file another inode each time, or doesn't release a directory."""
    if sys.platform == "win32":
        pytest.skip("not applicable: Windows renames without replacing")
    now = itertools.count()  # a clock that advances by 10 ms with each reading
    clock = SimpleNamespace(monotonic=lambda: next(now) / 100, sleep=lambda seconds: None)
    constant("_disk.claims.time", clock)
    constant("_disk.claims._STALE", 0.1)
    tries = 0

    def fail(*_: Any, error: Exception | None = None, **__: Any) -> bool:
        nonlocal tries
        tries += 1
        assert tries < 1000, "a loop without a pause"
        if error is not None:
            raise error
        return False

    if trouble == "identity":
        monkeypatch.setattr(claims.Claim, "_holds_name", fail)
    else:
        monkeypatch.setattr(claims.Claim, "_remove_stale", fail)
    if trouble == "directory":
        Path(".mlv-x.claim").mkdir()
    if trouble == "no locks":
        monkeypatch.setattr("fcntl.flock", partial(fail, error=OSError(errno.ENOLCK, "No locks available")))
        monkeypatch.setattr(os, "mkdir", partial(fail, error=FileExistsError()))
    with pytest.raises(TimeoutError, match="End that process, or use another file system"):
        with claims.Claim(Folder("."), ".mlv-x.claim"):
            pass
    assert tries > 2


def test_a_claim_that_is_held_is_waited_for_and_then_reported(monkeypatch: pytest.MonkeyPatch, constant: Any) -> None:
    if sys.platform == "win32":
        pytest.skip("not applicable: Windows renames without replacing")
    import fcntl

    monkeypatch.setattr(os, "link", _refuse)
    constant("_disk.publish._rename_call", lambda: None)
    constant("_disk.claims._STALE", 0.1)
    with open(".mlv-x.claim", "wb") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        with pytest.raises(TimeoutError, match="Another process is publishing"):
            publish(Folder(""), "x", b"1")
    publish(Folder(""), "x", b"2")
    assert os.listdir() == ["x"] and Path("x").read_bytes() == b"2"


def _refuse(*_: Any, **__: Any) -> None:
    raise PermissionError(errno.EPERM, "Operation not permitted")


@pytest.mark.parametrize("rename", [True, False])
def test_without_links_one_of_many_threads_publishes_a_name(
    rename: bool, monkeypatch: pytest.MonkeyPatch, constant: Any
) -> None:
    monkeypatch.setattr(os, "link", _refuse)
    if not rename:
        constant("_disk.publish._rename_call", lambda: None)
    check_that_one_of_eight_threads_wins()


def test_a_name_that_is_always_taken_is_an_error_and_not_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    Exp("runs", "e").close()

    def exists(*_: Any, **__: Any) -> None:
        raise FileExistsError(errno.EEXIST, "File exists")

    monkeypatch.setattr(os, "link", exists)
    with pytest.raises(FileExistsError):
        Exp.open(HOME)


def test_a_stream_that_appears_and_disappears_is_an_error_and_not_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    exp = Exp("runs", "e")
    real = os.open

    def never(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
        if path == "gpu.jsonl":
            raise FileExistsError(errno.EEXIST, "File exists", path)
        return real(path, flags, *arguments, **options)

    monkeypatch.setattr(os, "open", never)
    with pytest.raises(FileExistsError, match="keeps being created and removed"):
        exp.stream("gpu")


def test_a_forked_child_gives_up_after_names_that_are_always_taken(
    monkeypatch: pytest.MonkeyPatch, child: Callable[..., int], constant: Any
) -> None:
    exp = Exp("runs", "e")
    constant("_write.relocation._MAX_TRIES", 5)
    real = os.open

    def never(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
        if str(path).startswith("fork-"):
            raise FileExistsError(errno.EEXIST, "File exists", path)
        return real(path, flags, *arguments, **options)

    monkeypatch.setattr(os, "open", never)

    def work() -> None:
        with pytest.warns(RuntimeWarning, match="cannot open a stream next to"):
            assert exp.log.event("x") is None

    child(work)
    exp.close()


@pytest.fixture
def no_garbage_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    gc.freeze()  # skip existing objects: a collection in the test then costs only what the test makes
    yield
    gc.unfreeze()
    gc.enable()


@pytest.mark.slow
@pytest.mark.parametrize("writer", ["direct", "process"])
def test_a_dropped_experiment_releases_its_streams_without_the_garbage_collector(
    writer: str, no_garbage_collection: None, conforms: Any
) -> None:
    """The cell of a notebook, run again; with a forked child's name, a stream, a file and a sub-experiment made."""
    exp = Exp("runs", "e", {"a": 1}, writer=writer)
    exp.stream("gpu").event("x")
    exp.attach(b"x", "x.bin")
    exp.sub("small").close()
    with exp.log.span("epoch"):
        exp.log.event("x")
    exp.mark()
    del exp
    with Exp.resume(HOME, writer=writer) as exp:
        exp.stream("gpu").event("y")
    conforms(HOME)


@pytest.mark.parametrize("writer", ["direct", "process"])
def test_a_dropped_experiment_stays_open_while_a_logger_lives(writer: str, no_garbage_collection: None) -> None:
    exp = Exp("runs", "e", writer=writer)
    log, gpu = exp.log, exp.stream("gpu")
    epoch = log.span("epoch")
    del exp, log
    assert gpu.event("x") == 2
    assert epoch.event("x") is not None
    with pytest.raises(StreamBusy, match="this process .* has the log open already"):
        Exp.resume(HOME)
    del epoch, gpu
    with Exp.resume(HOME) as exp:
        exp.stream("gpu")
    assert [event.name for event in read(HOME).events()] == ["epoch", "epoch/x"]
    assert [event.name for event in read(HOME).events(stream="log/gpu.jsonl")] == ["x"]


def test_queued_events_are_written_when_the_logger_is_dropped(no_garbage_collection: None, events: Any) -> None:
    import resource

    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    log = Logger("a.jsonl")
    log.event("x", n=0)
    resource.setrlimit(resource.RLIMIT_FSIZE, (Path("a.jsonl").stat().st_size, resource.RLIM_INFINITY))
    with pytest.warns(RuntimeWarning, match="File too large"):
        log.event("x", n=1)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    del log
    assert [event["data"].get("n") for event in events("a.jsonl")][1:] == [0, 1, None]
    assert events("a.jsonl")[-1]["data"]["status"] == "ended"
    signal.signal(signal.SIGXFSZ, before)


class Stop(Exception):
    """Of a signal handler."""


@pytest.mark.slow
@pytest.mark.parametrize("writer", ["direct", "process"])
def test_an_interrupted_close_can_be_repeated_until_the_end_is_recorded(
    writer: str, no_garbage_collection: None, conforms: Any
) -> None:
    """Interrupted at every point that a signal can reach: a line of Python each time, of the close.

    The collector runs between two closes only: in a finalizer of other objects, Python itself ignores what is raised.
    """
    from concurrent.futures import ThreadPoolExecutor

    # If a trace function raises where an exception is handled, Python 3.11 takes that for current in the whole thread.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(_interrupt_closes, writer, conforms).result()


def _interrupt_closes(writer: str, conforms: Any) -> None:
    interrupted = 0
    for point in range(1, 2000, 1 if writer == "direct" else 13):
        gc.collect()
        exp = Exp("runs", f"e{point}", writer=writer)
        exp.log.event("x")
        count = 0

        def trace(frame: Any, kind: str, _: Any, point: int = point) -> Any:
            nonlocal count
            if "mlvlogger" not in frame.f_code.co_filename:
                return None
            if kind == "line":
                count += 1
                if count == point:
                    sys.settrace(None)
                    raise Stop
            return trace

        sys.settrace(trace)
        try:
            exp.close()
        except Stop:
            interrupted += 1
        finally:
            sys.settrace(None)
        for _ in range(2):
            exp.close()
        events = conforms(exp.path, sealed=True)["log.jsonl"] if point < 4 else lines(exp.path / "log.jsonl")
        assert [event["event"] for event in events] == ["mlv/start", "x", "mlv/end"], point
        if count < point:
            break
    assert interrupted > (50 if writer == "direct" else 5)


def lines(path: Path) -> list[dict[str, Any]]:
    import json

    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_after_an_interrupted_close_that_recorded_the_end_nothing_follows_it(conforms: Any) -> None:
    from mlvlogger import LogClosed

    exp = Exp("runs", "e")
    writer = exp.log._stream._destination.writer
    seal = writer.seal

    def seal_and_interrupt(*arguments: Any) -> None:
        seal(*arguments)
        raise Stop

    writer.seal = seal_and_interrupt  # type: ignore[assignment,method-assign]
    with pytest.raises(Stop):
        exp.close()
    with pytest.raises(LogClosed):
        exp.log.event("late")
    exp.close("failed")
    assert read(HOME).state == "completed"
    conforms(HOME, sealed=True)


def test_an_interrupted_close_is_completed_when_the_program_ends(run: Any) -> None:
    run(program("locks_close_interrupted"))
    assert read(HOME).state == "completed"


def test_a_cell_that_runs_twice_raises_an_error_with_an_action() -> None:
    first = Exp("runs", "e")
    with pytest.raises(StreamBusy) as caught:
        Exp("runs", "e", exists="resume")
    assert str(caught.value) == (
        f"runs/e/log.jsonl: this process ({os.getpid()}) has the log open already, as after a notebook cell that ran "
        "twice. Close the earlier Exp or Logger first: call close() on it."
    )
    first.close()
    Exp("runs", "e", exists="resume").close()
