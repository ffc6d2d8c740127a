"""Forked children: whenever, and however they end, they log into their own streams and touch nothing of the parent."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlvlogger import Exp, Logger, read
from program import program

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="not applicable: this system has no fork")

HOME = Path("runs/e")


def names(written: list[dict[str, Any]]) -> list[str]:
    return [event["event"] for event in written]


WAYS = {
    "os._exit": ("os._exit(3)", 3),
    "sys.exit": ("sys.exit(3)", 3),
    "exception": ("raise ValueError('in the child')", 1),
    "end of the script": ("raise SystemExit", 0),
    "close": ("exp.close(); os._exit(3)", 3),
    "signal": ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
}


@pytest.mark.slow
@pytest.mark.rule("writer.fork")
@pytest.mark.parametrize("logs", [True, False], ids=["it logs", "it does not log"])
@pytest.mark.parametrize("writer", ["direct", "process"])
@pytest.mark.parametrize("way", WAYS)
def test_the_parent_continues_however_a_child_exits(
    way: str, writer: str, logs: bool, run: Callable[..., Any], conforms: Any
) -> None:
    """The child leaves a with block of the parent's, runs its exit handlers, and drops the objects it inherited."""
    done = run(program("forks_child_exits"), writer, logs, WAYS[way][0])
    assert done.stdout == f"{WAYS[way][1]}\n"
    streams = conforms(HOME)
    assert names(streams.pop("log.jsonl")) == ["mlv/start", "epoch", "parent", "epoch", "mlv/end"]
    assert names(streams.pop("log/gpu.jsonl")) == ["mlv/start", "parent", "parent", "mlv/end"]
    assert read(HOME).state == "completed"
    if not logs:
        assert streams == {}
        return
    assert list(streams) == ["log/fork-1.jsonl"]
    start, event, *end = streams["log/fork-1.jsonl"]
    assert start["data"]["fork_of"]["seq"] == 2 and event["event"] == "epoch/child" and "within" not in event
    statuses = {"sys.exit": ["failed"], "exception": ["failed"], "end of the script": ["completed"]}
    statuses["close"] = ["completed"]
    assert [last["data"]["status"] for last in end] == statuses.get(way, [])


@pytest.mark.rule("writer.fork")
def test_queued_events_of_the_parent_are_written_by_the_parent_alone(run: Callable[..., Any], events: Any) -> None:
    """The disk is full when it forks; then there is free space, and both leave through their exit handlers."""
    code = program("forks_backlog")
    run(code)
    for logs in ("False", "True"):
        assert names(events(f"{logs}.jsonl")) == ["mlv/start", "parent", "mlv/end"]
    assert names(events("True.fork-1.jsonl")) == ["mlv/start", "child", "mlv/end"]
    assert not Path("False.fork-1.jsonl").exists()


@pytest.mark.rule("writer.fork")
@pytest.mark.parametrize("writer", ["direct", "process"])
def test_events_of_workers_forked_every_epoch_are_logged_and_attributable(writer: str, conforms: Any) -> None:
    """As a data loader of PyTorch does: 4 workers × 5 epochs × 50 events, while the parent logs in the span."""
    Path("train.py").write_text(program("forks_workers_every_epoch"))
    subprocess.run([sys.executable, "train.py", writer], check=True)
    streams = conforms(HOME)
    log = streams.pop("log.jsonl")
    assert sorted(e["data"]["index"] for e in log if e["event"] == "epoch/batch") == list(range(1000))
    assert read(HOME).state == "completed" and len(streams) == 20
    begins = [event["seq"] for event in log if event.get("span") == "begin"]
    found = []
    for name, written in streams.items():
        start = written[0]["data"]
        assert start["fork_of"]["stream"] == "log.jsonl" and start["fork_of"]["seq"] in begins, name
        assert {(e["event"], e["data"]["pid"]) for e in written[1:]} == {("data/loaded", start["pid"])}, name
        found += [event["data"]["index"] for event in written[1:]]
    assert sorted(found) == list(range(1000))
    assert Counter(e[0]["data"]["fork_of"]["seq"] for e in streams.values()) == dict.fromkeys(begins, 4)


@pytest.mark.rule("writer.fork")
def test_children_of_children_have_their_own_streams(child: Callable[..., int], events: Any) -> None:
    log = Logger("a.jsonl")
    log.event("parent")

    def grandchild() -> None:
        log.event("grandchild")

    def silent() -> None:
        child(grandchild)

    def speaking() -> None:
        log.event("child")
        child(grandchild)
        assert log.event("child") == 3

    child(silent)
    child(speaking)
    log.close()
    origins = [events(f"a.fork-{number}.jsonl")[0]["data"]["fork_of"] for number in (1, 2)]
    assert [(origin["stream"], origin["seq"]) for origin in origins] == [("a.jsonl", 2), ("a.jsonl", 2)]
    last = events("a.fork-2.fork-1.jsonl") if Path("a.fork-2.fork-1.jsonl").exists() else events("a.fork-3.jsonl")
    origin = last[0]["data"]["fork_of"]
    assert (names(last), origin["stream"], origin["seq"]) == (["mlv/start", "grandchild"], "a.fork-2.jsonl", 2)
    assert names(events("a.jsonl")) == ["mlv/start", "parent", "mlv/end"]


@pytest.mark.rule("writer.fork")
def test_a_child_forked_while_another_thread_opens_a_stream_does_not_hang(
    monkeypatch: pytest.MonkeyPatch, child: Callable[..., int], conforms: Any
) -> None:
    """The thread holds the lock of the experiment's streams, which the child can never release."""
    from mlvlogger import _open_streams
    from mlvlogger._disk.folder import Folder

    inside, leave = threading.Event(), threading.Event()

    def wait(*names: Any) -> Any:
        if threading.current_thread() is opener:
            inside.set()
            leave.wait()
        return Folder(*names)

    monkeypatch.setattr(_open_streams, "Folder", wait)

    def work() -> None:
        assert exp.stream("mine").event("child") == 2
        exp.close()

    with Exp("runs", "e") as exp:
        opener = threading.Thread(target=lambda: exp.stream("other"))
        opener.start()
        inside.wait()
        try:
            child(work)
        finally:
            leave.set()
            opener.join()
    streams = conforms(HOME, sealed=True)
    assert names(streams["log.jsonl"]) == ["mlv/start", "mlv/end"]
    assert names(streams["log/mine.jsonl"]) == ["mlv/start", "child", "mlv/end"]


def test_a_child_rewinds_its_own_stream_and_asks_for_it_by_its_name(child: Callable[..., int], conforms: Any) -> None:
    def work() -> None:
        assert exp.log.event("one") == 2
        mark = exp.mark()
        assert mark == {"log/fork-1.jsonl": 2}
        exp.log.event("two")
        exp.rewind(mark)
        assert exp.stream("fork-1") is exp.log
        exp.close()

    with Exp("runs", "e") as exp:
        child(work)
    streams = conforms(HOME, sealed=True)
    assert names(streams["log/fork-1.jsonl"]) == ["mlv/start", "one", "two", "mlv/rewind", "mlv/end"]
    assert [event.name for event in read(HOME).events(stream="fork-1")] == ["one"]


@pytest.mark.slow
@pytest.mark.rule("writer.fork")
@pytest.mark.parametrize("writer", ["direct", "process"])
@pytest.mark.parametrize("then", ["returns", "logs and returns", "opens files and returns", "logs and leaves"])
def test_a_fork_in_a_signal_handler_that_interrupts_an_event(then: str, writer: str, run: Callable[..., Any]) -> None:
    """At each place inside the logger; the child continues where the parent was. The event belongs to the parent."""
    code = program("forks_in_handler")
    run(code, then, writer)


@pytest.mark.rule("writer.one")
@pytest.mark.parametrize("moment", ["open", "started"])
def test_a_child_forked_while_another_thread_opens_a_log_does_not_keep_its_lock(
    moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is open and locked, and its stream is not ready yet."""
    from mlvlogger._write import session

    Logger("a.jsonl").close()
    inside, leave = threading.Event(), threading.Event()
    what = {"open": "_recover", "started": "DirectWriter"}[moment]
    step = getattr(session, what)

    def wait(*arguments: Any) -> Any:
        if threading.current_thread() is opener:
            inside.set()
            leave.wait()
        return step(*arguments)

    monkeypatch.setattr(session, what, wait)
    opener = threading.Thread(target=lambda: Logger("a.jsonl").close())
    opener.start()
    inside.wait()
    pid = os.fork()
    if pid == 0:
        time.sleep(300)
        os._exit(0)
    try:
        leave.set()
        opener.join()
        Logger("a.jsonl").close()
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@pytest.mark.rule("writer.fork")
def test_a_worker_that_is_terminated_and_has_logged_nothing_pauses_nothing(run: Any, conforms: Any) -> None:
    """A pool of multiprocessing ends its workers with SIGTERM; they inherit the handler that records a pause."""
    run(program("forks_worker_terminated"))
    assert names(conforms(HOME, sealed=True).pop("log.jsonl")) == ["mlv/start", "after", "mlv/end"]
    assert read(HOME).streams == ["log.jsonl"]


def test_a_child_that_logged_nothing_opens_no_stream_when_it_closes(child: Callable[..., int], constant: Any) -> None:
    """A worker that ends must not read a log of gigabytes for the end that it does not write."""
    with Exp("runs", "e") as exp:
        for number in range(3):
            exp.stream(f"s{number}").event("x")

        def refuse(path: Path) -> None:
            raise AssertionError(path)

        def work() -> None:
            constant("_write.other_streams.scan_file", refuse)
            constant("_write.session.scan_file", refuse)
            exp.close()

        child(work)
    assert json.loads((HOME / "log.jsonl").read_bytes().splitlines()[-1])["data"]["status"] == "completed"
