"""The log is compared with its path: what other programs do to it is reported, and no acknowledged event is lost."""

import json
import os
import re
import shutil
import signal
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlvlogger import Exp, Logger, WriteFailed, read
from mlvlogger._disk.folder import Folder
from mlvlogger._format.lifecycle import SEAL
from mlvlogger._write import relocation
from mlvlogger._write.process.ring import UNSEALED
from program import program
from writer_process import wait_for_writer

HOME = Path("runs/e")
LOG = HOME / "log.jsonl"


def remove_home() -> None:
    """Remove the experiment, also while its writer creates a lock file in it."""
    while HOME.exists():
        try:
            shutil.rmtree(HOME)
        except OSError:
            continue


def removed(log: Path) -> None:
    log.unlink()


def renamed(log: Path) -> None:
    """As logrotate does with nocreate."""
    log.rename(f"{log}.1")


def replaced(log: Path) -> None:
    """As `sed -i`, an editor's save and logrotate's create do: another file gets the name."""
    edited = log.with_name("edited")
    edited.write_bytes(log.read_bytes().replace(b'"step":1', b'"step":8'))
    edited.rename(log)


def recreated(log: Path) -> None:
    log.rename(f"{log}.1")
    log.write_bytes(b"")


def emptied(log: Path) -> None:
    os.truncate(log, 0)


def halved(log: Path) -> None:
    os.truncate(log, log.stat().st_size // 2)


def copied_and_emptied(log: Path) -> None:
    """logrotate's copytruncate."""
    shutil.copy(log, f"{log}.1")
    os.truncate(log, 0)


def edited(log: Path) -> None:
    """In place, to another size."""
    data = log.read_bytes()
    log.write_bytes(data.replace(b'"seq":2', b'"seq":  2'))


def extended(log: Path) -> None:
    with open(log, "ab") as file:
        file.write(b"a line of another program\n")


def linked(log: Path) -> None:
    """Moved to a larger disk, with a link in its place."""
    shutil.move(log, "moved.jsonl")
    log.symlink_to(Path("moved.jsonl").resolve())


def edit(log: Path, old: bytes, new: bytes) -> None:
    """In place, as `sed` on a mounted share does: the file, its size and all other lines stay."""
    at = log.read_bytes().index(old)
    with open(log, "r+b") as file:
        file.seek(at)
        file.write(new)


def rules(path: Path = HOME) -> list[str]:
    """The rules that the validator finds broken in a directory or log, in order."""
    validate = pytest.importorskip("mlv_validate", reason="not applicable: the validator needs Python 3.11").validate
    return sorted({finding.rule for target in validate(path).targets for finding in target.findings})


CONTINUED_IN_PLACE = [removed, renamed]  # under the same name
CONTINUED_IN_KEPT = [replaced, recreated, linked]  # in a new stream, with all lines
FOLLOWS = [emptied, halved, copied_and_emptied, edited, extended]  # in a new stream, without them
CHANGES = [*CONTINUED_IN_PLACE, *CONTINUED_IN_KEPT, *FOLLOWS]

#: What the validator finds in the directory afterwards.
BROKEN: dict[Any, list[str]] = {linked: ["layout.types"], halved: ["log.torn"], extended: ["json.syntax"]}


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def steps(path: Path) -> list[int]:
    return [event["data"]["step"] for event in lines(path) if event["event"] == "x"]


def check(change: Callable[[Path], None], log: Path, kept: Path, events: Any) -> None:
    """Six events were acknowledged, three before and three after the change: a reader finds what there can be."""
    if change in CONTINUED_IN_PLACE:
        assert steps(log) == [0, 1, 2, 3, 4, 5] and not kept.exists()
        events(log)
        assert [event["event"] for event in lines(log)].count("mlv/start") == 1
        return
    found = events(kept)
    starts = [event["data"] for event in found if event["event"] == "mlv/start"]
    assert starts[-1]["replaces"] == {"stream": log.name, "last": 4}
    if change in CONTINUED_IN_KEPT:
        assert steps(kept) == [0, 1, 2, 3, 4, 5] and "replaces" not in starts[0]
    else:
        assert steps(kept) == [3, 4, 5] and found[0]["data"]["replaces"]


@pytest.mark.rule("writer.kept-empty")
@pytest.mark.rule("writer.file-check")
@pytest.mark.rule("writer.file-told")
@pytest.mark.rule("writer.file-again")
@pytest.mark.rule("writer.kept-stream")
@pytest.mark.rule("writer.kept-bytes")
@pytest.mark.parametrize("writer", ["direct", "process"])
@pytest.mark.parametrize("change", CHANGES)
def test_an_experiment_continues_when_its_log_is_changed(change: Any, writer: str, events: Any) -> None:
    exp = Exp("runs", "e", writer=writer)
    for step in range(3):
        assert exp.log.event("x", step=step) == 2 + step
    exp.flush()
    change(LOG)
    foreign = LOG.read_bytes() if LOG.exists() else None
    with pytest.warns(RuntimeWarning, match=r"runs/e/log.jsonl was \w+ by another program") as caught:
        exp.flush()
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # once is enough
        for step in range(3, 6):
            assert exp.log.event("x", step=step) is not None
        mark = exp.mark()
        exp.close()
    if foreign is not None:
        assert LOG.read_bytes() == foreign, "another program's file was written to"
    check(change, LOG, HOME / "log/kept-1.jsonl", events)
    name = "log.jsonl" if change in CONTINUED_IN_PLACE else "log/kept-1.jsonl"
    assert set(mark) == {name}
    assert lines(HOME / name)[-1]["event"] == "mlv/end"
    assert read(HOME).state == ("completed" if change in CONTINUED_IN_PLACE else "open")
    if sys.version_info >= (3, 11):
        assert rules() == BROKEN.get(change, [])


@pytest.mark.parametrize("writer", ["direct", "process"])
@pytest.mark.parametrize("change", [removed, replaced, emptied])
def test_mark_notices_the_change_and_marks_the_continued_stream(change: Any, writer: str, events: Any) -> None:
    exp = Exp("runs", "e", writer=writer)
    exp.log.event("x", step=0)
    exp.flush()
    change(LOG)
    with pytest.warns(RuntimeWarning, match="by another program"):
        mark = exp.mark()
    name = "log.jsonl" if change is removed else "log/kept-1.jsonl"
    assert mark == {name: lines(HOME / name)[-1]["seq"]}
    exp.log.event("x", step=1)
    exp.rewind(mark)
    exp.close()
    events(HOME / name)


@pytest.mark.parametrize("writer", ["direct", "process"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_bare_log_continues_in_a_file_next_to_it(change: Any, writer: str, events: Any) -> None:
    log = Logger("a.jsonl", writer=writer)
    for step in range(3):
        log.event("x", step=step)
    log.flush()
    change(Path("a.jsonl"))
    foreign = Path("a.jsonl").read_bytes() if Path("a.jsonl").exists() else None
    with pytest.warns(RuntimeWarning, match=r"a.jsonl was \w+ by another program"):
        log.flush()
    for step in range(3, 6):
        log.event("x", step=step)
    log.close()
    assert foreign is None or Path("a.jsonl").read_bytes() == foreign
    check(change, Path("a.jsonl"), Path("a.kept-1.jsonl"), events)
    assert log.file == (Path("a.jsonl") if change in CONTINUED_IN_PLACE else Path("a.kept-1.jsonl"))


@pytest.mark.parametrize("writer", ["direct", "process"])
@pytest.mark.parametrize("change", CHANGES)
def test_with_on_error_raise_the_change_is_raised_once(change: Any, writer: str) -> None:
    exp = Exp("runs", "e", writer=writer, on_error="raise")
    acknowledged = [exp.log.event("x", step=step) and step for step in range(3)]
    exp.flush()
    change(LOG)
    with pytest.raises(WriteFailed, match=r"log.jsonl was \w+ by another program"):
        exp.flush()
    acknowledged += [exp.log.event("x", step=step) and step for step in range(3, 6)]
    exp.close()
    kept = HOME / "log/kept-1.jsonl"
    found = steps(LOG if change in CONTINUED_IN_PLACE else kept)
    assert found == (acknowledged if change not in FOLLOWS else acknowledged[3:])


@pytest.mark.parametrize("writer", ["direct", "process"])
@pytest.mark.parametrize("change", CHANGES)
def test_with_on_error_raise_a_bare_log_raises_the_change_once(change: Any, writer: str) -> None:
    log = Logger("a.jsonl", writer=writer, on_error="raise")
    acknowledged = [log.event("x", step=step) and step for step in range(3)]
    log.flush()
    change(Path("a.jsonl"))
    with pytest.raises(WriteFailed, match=r"a.jsonl was \w+ by another program"):
        log.flush()
    acknowledged += [log.event("x", step=step) and step for step in range(3, 6)]
    log.close()
    found = steps(Path("a.jsonl" if change in CONTINUED_IN_PLACE else "a.kept-1.jsonl"))
    assert found == (acknowledged if change not in FOLLOWS else acknowledged[3:])


@pytest.mark.parametrize("writer", ["direct", "process"])
@pytest.mark.parametrize("change", CHANGES)
def test_close_notices_the_change_and_seals_the_new_stream(change: Any, writer: str, events: Any) -> None:
    exp = Exp("runs", "e", writer=writer)
    for step in range(3):
        exp.log.event("x", step=step)
    exp.flush()
    change(LOG)
    with pytest.warns(RuntimeWarning, match="by another program"):
        exp.close()
    found = events(LOG if change in CONTINUED_IN_PLACE else HOME / "log/kept-1.jsonl")
    assert found[-1]["event"] == "mlv/end"


@pytest.mark.rule("writer.file-age")
@pytest.mark.parametrize("writer", ["direct", "process"])
@pytest.mark.parametrize("change", CHANGES)
def test_events_alone_notice_the_change_within_a_second(change: Any, writer: str) -> None:
    """Without flush: by the clock, which is that of the events."""
    exp = Exp("runs", "e", writer=writer)
    for step in range(3):
        exp.log.event("x", step=step)
    exp.flush()
    change(LOG)
    foreign = LOG.read_bytes() if LOG.exists() and not LOG.is_symlink() else None
    step = 3
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        begin = time.time_ns()
        while not caught:
            assert exp.log.event("x", step=step) is not None
            step += 1
            # A second of the clock, and what this machine takes for the event that notices it.
            assert time.time_ns() < begin + 60_000_000_000
            time.sleep(0.002)
    assert "by another program" in str(caught[0].message)
    exp.close()
    kept = LOG if change in CONTINUED_IN_PLACE else HOME / "log/kept-1.jsonl"
    assert steps(kept) == list(range(3 if change in FOLLOWS else 0, step))
    assert foreign is None or LOG.read_bytes() == foreign


@pytest.mark.rule("writer.file-own")
def test_no_line_is_written_after_a_truncation() -> None:
    """Not even the first: each event checks the file's size."""
    with Exp("runs", "e") as exp:
        exp.log.event("x", step=0)
        os.truncate(LOG, 0)
        with pytest.warns(RuntimeWarning, match="was truncated"):
            exp.log.event("x", step=1)
        assert LOG.read_bytes() == b""
    assert steps(HOME / "log/kept-1.jsonl") == [1]


LARGE = "x" * 200_000  # more than goes through the memory of the process writer


def new(exp: Exp, writer: str) -> Exp:
    return exp


def resumed(exp: Exp, writer: str) -> Exp:
    """After a crash, so that nothing was sealed."""
    exp.flush()
    shutil.copytree(HOME, "runs/crashed")
    exp.close()
    remove_home()
    os.rename("runs/crashed", HOME)
    return Exp.resume(HOME, writer=writer)


def resumed_in_order(exp: Exp, writer: str) -> Exp:
    exp.close()
    exp = Exp.resume(HOME, writer=writer)
    exp.log.event("early", step=1)
    return exp


def published_again(exp: Exp, writer: str) -> Exp:
    exp.flush()
    removed(LOG)
    with pytest.warns(RuntimeWarning, match="was removed"):
        exp.flush()
    return exp


def sealed(exp: Exp, writer: str) -> Exp:
    exp.log._stream._appender.seal(SEAL, {})
    exp.log.event("early", step=1)
    return exp


@pytest.mark.parametrize("writer", ["direct", "process"])
@pytest.mark.parametrize("begin", [new, resumed, resumed_in_order, published_again, sealed])
@pytest.mark.parametrize("line", ["mlv/start", "early", "large", "late"])
def test_an_edit_of_the_same_size_is_found_by_validation(line: str, begin: Any, writer: str) -> None:
    """Of every line since the last seal, whoever of the two processes wrote it."""
    exp = Exp("runs", "e", writer=writer)
    exp.log.event("early", step=1)  # by this process, while the other one starts
    exp = begin(exp, writer)

    def spoil(name: str) -> None:
        """At once: what is read later has the edit."""
        if line == name:
            exp.flush()
            data = LOG.read_bytes()
            at = data.index(b'"data":{', data.rindex(b'"event":"%b"' % name.encode())) + 9  # in the name of a member
            with open(LOG, "r+b") as file:
                file.seek(at)
                file.write(b"Q")

    spoil("mlv/start")
    spoil("early")
    if writer == "process":
        wait_for_writer(exp.log)
    exp.log.event("late", step=1)
    spoil("late")
    if line == "large":
        exp.log.event("large", text=LARGE)
        spoil("large")
    exp.log.event("late", step=2)
    exp.flush()  # nothing to be seen
    exp.close()
    assert "seal.digest" in rules()


@pytest.mark.parametrize("writer", ["direct", "process"])
def test_an_edit_of_the_same_size_of_a_bare_log_is_found(writer: str) -> None:
    log = Logger("a.jsonl", writer=writer)
    for step in range(3):
        log.event("x", step=step)
    log.flush()
    edit(Path("a.jsonl"), b'"step":1', b'"step":8')
    log.event("x", step=3)
    log.close()
    assert rules(Path("a.jsonl")) == ["seal.digest"]


@pytest.mark.slow
@pytest.mark.parametrize("writer", ["direct", "process"])
@pytest.mark.parametrize("stream", ["system", "output"])
def test_an_edit_of_the_same_size_of_samples_and_of_captured_output_is_found(
    stream: str, writer: str, run: Any
) -> None:
    run(program("kept_edit"), stream, writer)
    assert rules() == ["seal.digest"]


@pytest.mark.parametrize("line", ["early", "large", "late", "after"])
def test_an_edit_of_the_same_size_is_found_after_the_death_of_the_writer_process(line: str) -> None:
    """What it wrote, what this process wrote before and after it, and what neither knew to be written."""
    exp = Exp("runs", "e", writer="process")
    exp.log.event("early", step=1)
    process = wait_for_writer(exp.log)._process.pid
    exp.log.event("late", step=1)
    exp.flush()
    exp.log.event("large", text=LARGE)
    if line != "after":
        edit(LOG, b'"event":"%b"' % line.encode(), b'"event":"Q')
    os.kill(process, signal.SIGKILL)
    with pytest.warns(RuntimeWarning, match="the writer process .* has ended"):
        while exp.log._stream._destination.writer._successor is None:  # type: ignore[union-attr]
            exp.log.event("after")
            exp.flush()
    if line == "after":
        edit(LOG, b'"event":"after"', b'"event":"Qfter"')
    exp.close()
    assert rules() == ["seal.digest"]


def test_a_seal_of_a_writer_process_that_was_killed_fits() -> None:
    """Nothing was edited: whoever wrote a line, and whatever of it the writer process did not know."""
    for large in (False, True):
        shutil.rmtree("runs", ignore_errors=True)
        exp = Exp("runs", "e", writer="process")
        exp.log.event("early", step=1)
        process = wait_for_writer(exp.log)._process.pid
        exp.log.event("late", step=1)
        exp.log._stream._appender.seal(SEAL, {})
        exp.flush()
        if large:
            exp.log.event("large", text=LARGE)
        os.kill(process, signal.SIGKILL)
        with pytest.warns(RuntimeWarning, match="the writer process .* has ended"):
            while exp.log._stream._destination.writer._successor is None:  # type: ignore[union-attr]
                exp.log.event("after")
                exp.flush()
        exp.close()
        assert rules() == []


@pytest.mark.parametrize("writer", ["direct", "process"])
def test_after_a_second_removal_a_kept_stream_is_written(writer: str, events: Any) -> None:
    """No fight with a cleaner."""
    exp = Exp("runs", "e", writer=writer)
    for step in range(3):
        exp.log.event("x", step=step)
        exp.flush()
        for path in (LOG, HOME / "log/kept-1.jsonl"):
            path.unlink(missing_ok=True)
        with pytest.warns(RuntimeWarning, match="was removed"):
            exp.flush()
    exp.close()
    assert not LOG.exists()
    assert steps(HOME / "log/kept-1.jsonl") == [0, 1, 2]
    events(HOME / "log/kept-1.jsonl")


@pytest.mark.rule("writer.no-directory")
@pytest.mark.parametrize("writer", ["direct", "process"])
@pytest.mark.parametrize("on_error", ["warn", "raise"])
def test_without_its_directory_nothing_is_acknowledged_or_created(writer: str, on_error: str) -> None:
    exp = Exp("runs", "e", writer=writer, on_error=on_error)
    exp.log.event("x", step=0)
    exp.flush()
    remove_home()
    if on_error == "raise":
        with pytest.raises(WriteFailed, match="The directory was removed by another program"):
            exp.flush()
        with pytest.raises(WriteFailed):
            exp.close()
    else:
        with pytest.warns(RuntimeWarning, match="the directory was removed by another program") as caught:
            exp.flush()
            for step in range(3):
                assert exp.log.event("x", step=step) is None
            exp.flush()
            exp.close()
        assert len(caught) == 1
    assert os.listdir("runs") == []


def test_a_log_above_the_limit_is_not_copied(constant: Any, events: Any) -> None:
    constant("_write.relocation._MAX_COPY", 1000)
    exp = Exp("runs", "e")
    for step in range(100):
        exp.log.event("x", step=step)
    LOG.rename("old.jsonl")
    with pytest.warns(RuntimeWarning, match="follows event 101 of the old file"):
        exp.flush()
    exp.log.event("x", step=100)
    exp.close()
    found = events(HOME / "log/kept-1.jsonl")
    assert found[0]["data"]["replaces"] == {"stream": "log.jsonl", "last": 101}
    assert steps(HOME / "log/kept-1.jsonl") == [100] and steps(Path("old.jsonl")) == list(range(100))


@pytest.mark.parametrize("change", [removed, replaced, emptied])
def test_spans_and_their_data_are_kept(change: Any, events: Any) -> None:
    exp = Exp("runs", "e")
    with exp.log.span("epoch", n=0) as epoch:
        epoch.event("x", step=0)
        change(LOG)
        with pytest.warns(RuntimeWarning, match="by another program"):
            exp.flush()
        epoch.event("x", step=1)
        with epoch.span("inner") as inner:
            inner.event("x", step=2)
        assert epoch.is_open == (change is removed)
    exp.close()
    found = events(LOG if change is removed else HOME / "log/kept-1.jsonl")
    assert [event["event"] for event in found if event["event"].endswith("x")][-2:] == ["epoch/x", "epoch/inner/x"]


@pytest.mark.parametrize("change", [removed, replaced, emptied])
def test_the_end_of_a_span_that_notices_the_change_keeps_its_data(change: Any, events: Any) -> None:
    exp = Exp("runs", "e")
    span = exp.log.span("epoch")
    change(LOG)
    if change is not emptied:
        exp.log._stream._destination.writer._next_check = 0  # as after a second
    with pytest.warns(RuntimeWarning, match="by another program"):
        assert span.end(loss=0.5) is not None
    exp.close()
    found = events(LOG if change is removed else HOME / "log/kept-1.jsonl")
    end = next(event for event in found if event["data"].get("loss") == 0.5)
    assert end.get("span") == ("end" if change is removed else None)


@pytest.mark.parametrize("change", [removed, replaced, emptied])
def test_a_mark_from_before_the_change_can_be_rewound_to(change: Any, conforms: Any) -> None:
    exp = Exp("runs", "e")
    exp.log.event("x", step=0)
    mark = exp.mark()
    exp.log.event("x", step=1)
    change(LOG)
    with pytest.warns(RuntimeWarning, match="by another program"):
        exp.flush()
    exp.log.event("x", step=2)
    exp.rewind(mark)
    exp.log.event("x", step=3)
    exp.close()
    name = "log.jsonl" if change is removed else "log/kept-1.jsonl"
    found = [event.data["step"] for event in read(HOME).events("x", stream=name)]
    assert found == ([3] if change is emptied else [0, 3])


def test_queued_events_are_written_after_the_start_of_the_new_stream(small_limit: Any, events: Any) -> None:
    exp = Exp("runs", "e")
    exp.log.event("x", step=0)
    small_limit(LOG.stat().st_size)
    with pytest.warns(RuntimeWarning, match="File too large"):
        for step in (1, 2):
            assert exp.log.event("x", step=step) is None
    small_limit(None)
    replaced(LOG)
    with pytest.warns(RuntimeWarning, match="was replaced"):
        exp.log.event("x", step=3)
    exp.close()
    events(HOME / "log/kept-1.jsonl")
    assert steps(HOME / "log/kept-1.jsonl") == [0, 1, 2, 3]


@pytest.fixture
def small_limit() -> Any:
    """The size that files may have from now on."""
    import resource

    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    def limit(size: int | None) -> None:
        size = resource.RLIM_INFINITY if size is None else size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    yield limit
    limit(None)
    signal.signal(signal.SIGXFSZ, before)


BOTH = [(change, "warn") for change in CHANGES] + [(change, "raise") for change in (removed, replaced, emptied)]


@pytest.mark.slow
@pytest.mark.parametrize(("change", "on_error"), BOTH)
def test_captured_output_continues_when_its_stream_is_changed(
    change: Any, on_error: str, run: Any, events: Any
) -> None:
    """The capturing process warns whatever *on_error* says: it has no caller to raise to."""
    done = run(program("kept_captured_output"), change.__name__, on_error)
    assert done.stdout == "".join(f"line {step}\n" for step in range(6))
    assert "output.jsonl was" in done.stderr and "by another program" in done.stderr
    path = HOME / ("log/output.jsonl" if change in CONTINUED_IN_PLACE else "log/kept-1.jsonl")
    texts = [event["data"]["text"] for event in lines(path) if event["event"] == "stdout"]
    assert texts == [f"line {step}" for step in range(3 if change in FOLLOWS else 0, 6)]


@pytest.mark.slow
@pytest.mark.parametrize("writer", ["direct", "process"])
@pytest.mark.parametrize("change", CHANGES)
def test_samples_continue_when_their_stream_is_changed(change: Any, writer: str) -> None:
    exp = Exp("runs", "e", writer=writer)
    log = HOME / "log/system.jsonl"
    watch = exp.watch(seconds=0.1)
    while not log.exists() or log.read_bytes().count(b'"sample"') < 2:
        time.sleep(0.01)
    with pytest.warns(RuntimeWarning, match=r"system.jsonl was \w+ by another program"):
        change(log)
        time.sleep(0.2)
        watch.stop()
        exp.close()
    path = log if change in CONTINUED_IN_PLACE else HOME / "log/kept-1.jsonl"
    samples = [event for event in lines(path) if event["event"] == "sample"]
    assert len(samples) >= (1 if change in FOLLOWS else 3)
    assert lines(path)[-1]["event"] == "mlv/end"


@pytest.mark.slow
@pytest.mark.parametrize("writer", ["direct", "process"])
@pytest.mark.parametrize("change", [removed, replaced, emptied])
def test_samples_continue_with_on_error_raise(change: Any, writer: str) -> None:
    """The thread has no caller to raise to: it warns once, and continues."""
    exp = Exp("runs", "e", writer=writer, on_error="raise")
    log = HOME / "log/system.jsonl"
    watch = exp.watch(seconds=0.1)
    while not log.exists() or log.read_bytes().count(b'"sample"') < 2:
        time.sleep(0.01)
    path = log if change in CONTINUED_IN_PLACE else HOME / "log/kept-1.jsonl"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        change(log)
        while not caught:
            time.sleep(0.01)
        known = path.read_bytes().count(b'"sample"')
        while path.read_bytes().count(b'"sample"') < known + 2:
            time.sleep(0.01)
    (warning,) = caught
    assert re.search(r"sample .* not logged: .*system.jsonl was \w+ by another program", str(warning.message))
    assert watch.is_running
    exp.close()
    assert not watch.is_running
    assert lines(path)[-1]["event"] == "mlv/end"


@pytest.fixture
def few_descriptors() -> Any:
    """Call it with True to let no descriptor be opened any more, and with False to end that."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    def limit(is_on: bool) -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (3 if is_on else soft, hard))

    yield limit
    limit(False)


@pytest.mark.parametrize("writer", ["direct", "process"])
@pytest.mark.parametrize("stream", ["log.jsonl", "log/gpu.jsonl"])
@pytest.mark.parametrize("change", [removed, replaced])
def test_a_failed_continuation_is_tried_again_by_the_next_call(
    change: Any, stream: str, writer: str, few_descriptors: Any
) -> None:
    exp = Exp("runs", "e", writer=writer)
    log = exp.log if stream == "log.jsonl" else exp.stream("gpu")
    for step in range(3):
        log.event("x", step=step)
    exp.flush()
    change(HOME / stream)
    with pytest.warns(RuntimeWarning, match="Too many open files.*its events up to seq 4 are lost if"):
        few_descriptors(True)
        exp.flush()
    few_descriptors(False)
    with pytest.warns(RuntimeWarning, match="by another program"):
        exp.close()
    assert steps(HOME / (stream if change is removed else "log/kept-1.jsonl")) == [0, 1, 2]
    assert [path for path in HOME.rglob(".mlv-*")] == []


@pytest.mark.parametrize("change", [removed, renamed, replaced, recreated])
def test_a_change_is_noticed_after_the_death_of_the_writer_process(change: Any) -> None:
    exp = Exp("runs", "e", writer="process")
    exp.log.event("x", step=0)
    exp.flush()
    os.kill(exp.log._stream._destination.writer._process.pid, 9)  # type: ignore[union-attr]
    with pytest.warns(RuntimeWarning, match="the writer process .* has ended"):
        while exp.log._stream._destination.writer._successor is None:  # type: ignore[union-attr]
            exp.log.event("dead")
            exp.flush()
    exp.log.event("x", step=1)
    change(LOG)
    with pytest.warns(RuntimeWarning, match=r"was \w+ by another program"):
        exp.close()
    assert steps(LOG if change in CONTINUED_IN_PLACE else HOME / "log/kept-1.jsonl") == [0, 1]


@pytest.mark.parametrize("writer", ["direct", "process"])
@pytest.mark.parametrize("place", ["link", "file", "loop"])
def test_a_folder_of_streams_replaced_by_a_file_raises_nothing(place: str, writer: str) -> None:
    """Moved to a larger disk, with a link in its place: an event of the others, and the end, are written."""
    exp = Exp("runs", "e", writer=writer)
    gpu = exp.stream("gpu")
    gpu.event("x", step=0)
    exp.flush()
    (HOME / "log").rename("log")
    if place == "file":
        (HOME / "log").write_bytes(b"")
    else:
        (HOME / "log").symlink_to(Path("log").resolve() if place == "link" else "log")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        gpu.event("x", step=1)
        exp.log.event("x", step=2)
        exp.flush()
        exp.close()
    messages = " ".join(str(warning.message) for warning in caught)
    assert steps(LOG) == [2] and lines(LOG)[-1]["event"] == "mlv/end" and gpu._stream.closed
    if place == "link":  # which leads to the same file
        assert steps(Path("log/gpu.jsonl")) == [0, 1] and not messages
    else:
        written = steps(Path("log/gpu.jsonl"))
        # The writer process may write an event before this one compares the log with its path.
        assert written == [0] or writer == "process" and written == [0, 1]
        assert "gpu.jsonl" in messages and f"its events up to seq {len(written) + 1} are lost if" in messages


def test_a_queued_seal_loses_no_event() -> None:
    """In the memory of the process writer, where it has a number but isn't an event."""
    exp = Exp("runs", "e", writer="process")
    writer = wait_for_writer(exp.log)
    exp.log.event("x", step=0)
    exp.flush()
    os.kill(writer._process.pid, signal.SIGSTOP)
    for step in range(1, 4):
        exp.log.event("x", step=step)
        exp.log._stream._appender.seal(SEAL, {})
    extended(LOG)
    os.kill(writer._process.pid, signal.SIGCONT)
    with pytest.warns(RuntimeWarning, match="was extended"):
        exp.flush()
    exp.log.event("x", step=4)
    exp.close()
    assert steps(HOME / "log/kept-1.jsonl") == [1, 2, 3, 4]


def test_a_seal_that_is_due_finds_the_change_at_once(constant: Any) -> None:
    """No line is written to a file that is known to be another one."""
    constant("_write.seals._SEAL_EVERY", 2000)
    constant("_write.seals._HASH_EVERY", 500)
    exp = Exp("runs", "e")
    exp.log.event("x", step=0)
    renamed(LOG)
    with pytest.warns(RuntimeWarning, match="was removed by another program"):
        for step in range(1, 200):
            assert exp.log.event("x", step=step) is not None
    exp.close()
    assert Path(f"{LOG}.1").stat().st_size < 4000
    assert steps(LOG) == list(range(200))


@pytest.mark.parametrize("change", [None, renamed, emptied])
def test_a_seal_that_is_due_finds_the_change_at_once_with_the_process_writer(
    change: Any, constant: Any, events: Any
) -> None:
    """An event that doesn't go through the memory of the two processes asks whether a seal is due."""
    exp = Exp("runs", "e", writer="process")
    writer = wait_for_writer(exp.log)
    exp.log.event("x", step=0, text=LARGE)
    exp.log.event("x", step=1)
    while writer._ring.words[UNSEALED] < len(LARGE) or not writer._ring.is_empty:
        time.sleep(0.001)
    constant("_write.seals._SEAL_EVERY", 2000)  # from here on a seal is due, and not at an event before
    if change is None:
        exp.log.event("x", step=2, text=LARGE)
        exp.flush()
        assert b"mlv/seal" in LOG.read_bytes()
    elif change is renamed:
        renamed(LOG)
        exp.log.event("x", step=2, text=LARGE)
        with pytest.warns(RuntimeWarning, match="was removed by another program"):
            assert exp.log.event("x", step=3) is not None
        assert steps(Path(f"{LOG}.1")) == [0, 1, 2]
    else:
        emptied(LOG)
        with pytest.warns(RuntimeWarning, match="was truncated by another program"):
            assert exp.log.event("x", step=2, text=LARGE) is not None
        assert LOG.read_bytes() == b""
    exp.close()
    kept = HOME / "log/kept-1.jsonl" if change is emptied else LOG
    events(kept)
    assert steps(kept) == {None: [0, 1, 2], renamed: [0, 1, 2, 3], emptied: [2]}[change]
    assert rules() == []


def test_a_forked_child_cannot_rewind_the_stream_that_its_parents_replaced(child: Callable[..., int]) -> None:
    exp = Exp("runs", "e")
    mark = exp.mark()
    replaced(LOG)
    with pytest.warns(RuntimeWarning, match="was replaced"):
        exp.flush()

    def work() -> None:
        exp.log.event("x", step=1)
        with pytest.raises(ValueError, match="belongs to the process"):
            exp.rewind(mark)

    child(work)
    exp.close()


@pytest.mark.slow
@pytest.mark.parametrize("writer", ["direct", "process"])
@pytest.mark.parametrize("reuse", ["files", "directories", "nothing"])
def test_descriptors_that_a_program_closed_are_not_used_after_it_reuses_them(reuse: str, writer: str, run: Any) -> None:
    """As daemons do: they close all that they do not know."""
    done = run(
        program("kept_closed_descriptors"),
        writer,
        reuse,
    )
    assert done.stdout == "['m.bin'] ['gpu.jsonl', 'kept-1.jsonl']\n"
    assert steps(LOG) + steps(HOME / "log/kept-1.jsonl") == [0, 1]


@pytest.mark.rule("writer.kept-bytes")
def test_a_signal_handler_that_closes_while_the_log_is_copied_loses_nothing(
    monkeypatch: pytest.MonkeyPatch, events: Any
) -> None:
    """The stream closes when the event is written, and has its directory until then."""
    copy, at = relocation._copy, Folder.at

    def at_and_close(self: Folder, name: str) -> str:
        path = at(self, name)
        log.close()
        return path

    def close_while_copying(*arguments: Any) -> Any:
        with monkeypatch.context() as patched:
            patched.setattr(Folder, "at", at_and_close)
            return copy(*arguments)

    monkeypatch.setattr(relocation, "_copy", close_while_copying)
    Path("logs").mkdir()
    log = Logger("logs/a.jsonl", writer="direct")
    log.event("x", step=0)
    replaced(Path("logs/a.jsonl"))
    log._stream._destination.writer._next_check = 0  # as after a second
    with pytest.warns(RuntimeWarning, match="by another program"):
        log.event("x", step=1)
    kept = Path("logs/a.kept-1.jsonl")
    assert steps(kept) == [0, 1] and events(kept)[-1]["event"] == "mlv/end"
