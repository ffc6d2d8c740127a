"""Streams: numbers, sessions, seals, recovery, what happens under faults, signals, threads and forks."""

import gc
import hashlib
import json
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mlvlogger
from mlvlogger import InvalidRecord, LogClosed, Logger, StreamBusy, UnsupportedVersion
from program import program

HOME = str(Path(mlvlogger.__file__).parent)
PATH = Path("a.jsonl")


def names(written: list[dict[str, Any]]) -> list[str]:
    return [event["event"] for event in written]


def test_the_complete_bytes_of_a_bare_log(constant: Any, events: Any) -> None:
    """The whole file; `constant` holds the clock still."""
    constant("_format.line._stamp", lambda _: b"2026-11-22T18:24:00.000000Z")
    with Logger(PATH) as log:
        log.event("x", a=1)
    head = f"""\
{{"seq":1,"time":"2026-11-22T18:24:00.000000Z","event":"mlv/start","data":{{"mlv":"1.0",\
"writer":{{"name":"mlvlogger","version":"{mlvlogger.__version__}"}},"host":{json.dumps(os.uname().nodename)},\
"pid":{os.getpid()}}}}}
{{"seq":2,"time":"2026-11-22T18:24:00.000000Z","event":"x","data":{{"a":1}}}}
{{"seq":3,"time":"2026-11-22T18:24:00.000000Z","event":"mlv/end","data":{{"status":"completed","from":0,"sha256":\""""
    digest = hashlib.sha256(head.encode()).hexdigest()
    assert PATH.read_text() == head + digest + '"}}\n'


@pytest.mark.rule("writer.seal")
@pytest.mark.skipif(os.name == "nt", reason="not applicable: the recipe is for a POSIX shell")
def test_the_recipe_of_the_specification_verifies_a_seal() -> None:
    for _ in range(3):
        with Logger(PATH) as log:
            log.event("x", text="y" * 100)
    seal = json.loads(PATH.read_bytes().splitlines()[-1])["data"]
    assert seal["from"] > 0
    recipe = f"from={seal['from']}; head -c -68 {PATH} | tail -c +$((from+1)) | sha256sum"
    done = subprocess.run(recipe, shell=True, capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == seal["sha256"]


@pytest.mark.rule("writer.seal")
def test_seals_of_several_sessions_cover_every_byte(events: Callable[..., Any]) -> None:
    for session in range(4):
        with Logger(PATH) as log:
            log.event("x", session=session)
            if session == 1:
                log.pause("later")
    written = events(PATH)
    seals = [event for event in written if event["event"] in ("mlv/seal", "mlv/end")]
    assert [seal["event"] for seal in seals] == ["mlv/end", "mlv/seal", "mlv/end", "mlv/end"]
    data = PATH.read_bytes()
    places = [data.index(seal["data"]["sha256"].encode()) for seal in seals]
    assert [seal["data"]["from"] for seal in seals] == [0, *places[:-1]]
    assert places[-1] == len(data) - 68


@pytest.mark.rule("writer.seal-often")
def test_a_long_log_is_sealed_in_between(constant: Any, events: Callable[..., Any]) -> None:
    constant("_write.seals._SEAL_EVERY", 2000)
    constant("_write.seals._HASH_EVERY", 300)
    with Logger(PATH) as log:
        seqs = [log.event("x", text="y" * 100) for _ in range(100)]
    assert None not in seqs
    written = events(PATH)
    ends = [place for place, event in enumerate(written) if event["event"] == "mlv/seal"]
    assert len(ends) >= 8 and names(written).count("x") == 100
    sizes = [len(line) for line in PATH.read_bytes().splitlines(keepends=True)]
    assert all(sum(sizes[one:other]) < 2700 for one, other in zip([0, *ends], [*ends, len(sizes)], strict=True))


@pytest.mark.rule("writer.torn")
def test_a_log_torn_at_any_byte_of_its_last_line_is_continued(events: Callable[..., Any]) -> None:
    with Logger(PATH) as log:
        log.event("one", text="é\n")
    whole = PATH.read_bytes()
    last = len(whole.splitlines(keepends=True)[-1])
    for cut in range(last):
        torn = whole[len(whole) - last : len(whole) - last + cut]
        PATH.write_bytes(whole[: len(whole) - last] + torn)
        with Logger(PATH) as log:
            assert log.event("two") == 4
        written = events(PATH)
        assert names(written) == ["mlv/start", "one", "mlv/start", "two", "mlv/end"]
        recovered = {"size": cut, "sha256": hashlib.sha256(torn).hexdigest()} if cut else None
        assert written[2]["data"].get("recovered") == recovered
        assert PATH.read_bytes().startswith(whole[: len(whole) - last])


@pytest.mark.rule("writer.torn")
def test_a_log_torn_in_its_first_line_starts_again(events: Callable[..., Any]) -> None:
    Logger(PATH).close()
    first = PATH.read_bytes().splitlines(keepends=True)[0]
    for cut in (0, 1, 9, 50, len(first) - 1):
        PATH.write_bytes(first[:cut])
        Logger(PATH).close()
        start, end = events(PATH)
        assert (start["seq"], end["seq"]) == (1, 2)
        assert start["data"].get("recovered", {"size": 0})["size"] == cut


@pytest.mark.rule("writer.recovered")
@pytest.mark.rule("writer.torn")
@pytest.mark.parametrize("size", [1, 2**20, 2**24, 2**24 + 1, 2**24 + 2**20 + 5])
def test_a_torn_end_of_any_size_is_removed(size: int, events: Callable[..., Any]) -> None:
    """A power cut can leave a grown file full of zeros."""
    Logger(PATH).close()
    before = PATH.read_bytes()
    with open(PATH, "ab") as file:
        file.write(bytes(size))
    Logger(PATH).close()
    written = events(PATH)
    assert names(written) == ["mlv/start", "mlv/end", "mlv/start", "mlv/end"] and PATH.read_bytes().startswith(before)
    assert written[2]["data"]["recovered"] == {"size": size, "sha256": hashlib.sha256(bytes(size)).hexdigest()}


FOREIGN = {
    "text": b"my notes\n",
    "text-without-line-feed": b"my notes",
    "json": b'{"a": 1}',
    "jsonl": b'{"a": 1}\n{"a": 2}\n',
    "other-log": b'{"seq":1,"time":"2026-11-22T18:24:00.000000Z","event":"x","data":{}}\n',
    "binary": bytes(range(256)) * 10,
    "not-utf-8": b"\xff\n",
    "deep": b"[" * 100_000 + b"\n",
}


@pytest.mark.rule("writer.kept")
@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_that_is_not_a_stream_is_refused_and_unchanged(name: str) -> None:
    PATH.write_bytes(FOREIGN[name])
    with pytest.raises(InvalidRecord, match=r"a\.jsonl is not an MLV stream"):
        Logger(PATH)
    assert PATH.read_bytes() == FOREIGN[name]


def test_an_empty_file_becomes_a_stream(events: Callable[..., Any]) -> None:
    PATH.touch()
    Logger(PATH).close()
    assert names(events(PATH)) == ["mlv/start", "mlv/end"]


@pytest.mark.rule("writer.version")
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"mlv":"1.0"', '"mlv":"2.0"'),
        ('"mlv":"1.0"', '"mlv":"1.0","requires":["chunks"]'),
        ('"mlv":"1.0"', '"mlv":"10.0"'),
    ],
)
@pytest.mark.parametrize("session", [0, 1])
def test_a_stream_that_a_reader_would_refuse_is_not_written_to(old: str, new: str, session: int) -> None:
    """Also when only an earlier session is of that version."""
    for _ in range(2):
        Logger(PATH).close()
    lines = PATH.read_text().splitlines(keepends=True)
    lines[session * 2] = lines[session * 2].replace(old, new)
    PATH.write_text("".join(lines))
    before = PATH.read_bytes()
    with pytest.raises(UnsupportedVersion, match=r"a\.jsonl"):
        Logger(PATH)
    assert PATH.read_bytes() == before


def test_a_newer_minor_version_is_continued(events: Callable[..., Any]) -> None:
    Logger(PATH).close()
    PATH.write_text(PATH.read_text().splitlines(keepends=True)[0].replace('"mlv":"1.0"', '"mlv":"1.10","more":1'))
    Logger(PATH).close()
    assert names(events(PATH)) == ["mlv/start", "mlv/start", "mlv/end"]


@pytest.mark.parametrize("spelling", ['"mlv\\/seal"', '"\\u006dlv/seal"'])
def test_a_seal_that_another_writer_formatted_differently_is_recognized(
    spelling: str, events: Callable[..., Any]
) -> None:
    """PHP writes every slash as `\\/`."""
    with Logger(PATH) as log:
        log.pause()
    data = PATH.read_bytes()
    head = data[:-68].replace(b'"mlv/seal"', spelling.encode())
    PATH.write_bytes(head + hashlib.sha256(head).hexdigest().encode() + data[-4:])
    Logger(PATH).close()
    assert names(events(PATH))[-2:] == ["mlv/start", "mlv/end"]


@pytest.mark.rule("writer.next-seq")
def test_after_garbled_lines_the_numbering_continues(events: Callable[..., Any]) -> None:
    with Logger(PATH) as log:
        for number in range(5):
            log.event("x", number=number)
    lines = PATH.read_bytes().splitlines(keepends=True)
    lines[3] = b"garbled\n"
    PATH.write_bytes(b"".join(lines))
    log = Logger(PATH)
    assert log.event("y") == 9
    lines[6] = b"garbled too\n"
    log.close()
    PATH.write_bytes(b"".join(lines))
    with Logger(PATH) as log:
        assert log.event("y") == 9


@pytest.mark.rule("writer.dropped")
@pytest.mark.rule("writer.line")
def test_unwritable_events_are_queued_then_counted_and_all_are_accounted_for_in_the_log(
    run: Callable[..., Any], events: Callable[..., Any]
) -> None:
    seq, *messages = run(program("streams_backlog_dropped")).stdout.splitlines()
    assert messages == [
        "cannot write to a.jsonl: File too large. Events are kept in memory (up to 16 MiB; what is more is counted as "
        "dropped) and written as soon as it works again."
    ]
    written = events(PATH)
    kept = [event["data"]["number"] for event in written if event["event"] == "x"]
    assert 5 < len(kept) < 30 and kept == list(range(len(kept)))
    dropped = next(event for event in written if event["event"] == "mlv/dropped")
    first = 3 + len(kept)
    assert dropped["data"] == {"first": first, "last": 37, "reasons": {"File too large": 35 - len(kept)}}
    assert (dropped["seq"], int(seq)) == (38, 39)
    assert names(written)[-3:] == ["after", "last", "mlv/end"]


def test_queued_events_are_written_by_flush_by_close_and_at_exit(run: Callable[..., Any], events: Any) -> None:
    for way in ("flush", "close", "exit"):
        PATH.unlink(missing_ok=True)
        run(program("streams_backlog_written"), way)
        written = events(PATH)
        assert names(written) == ["mlv/start", "x", "mlv/end"]


@pytest.mark.rule("writer.line")
def test_with_on_error_raise_the_event_raises_and_is_not_queued(run: Callable[..., Any], events: Any) -> None:
    done = run(program("streams_raise"))
    message = (
        "an event could not be written to a.jsonl: [Errno 27] File too large. Everything before it is intact; "
        "free what is missing and log again (last seq: 2).\n"
    )
    assert done.stdout == message * 2
    assert names(events(PATH)) == ["mlv/start", "one", "three", "mlv/end"]


@pytest.mark.parametrize("on_error", ["warn", "raise"])
def test_a_close_that_cannot_seal_warns_and_releases_the_stream(
    on_error: str, run: Callable[..., Any], events: Any
) -> None:
    assert "a.jsonl" in run(program("streams_cannot_seal"), on_error).stdout
    written = events(PATH)
    assert names(written) == ["mlv/start", "x", "mlv/start", "mlv/end"]
    assert "recovered" not in written[2]["data"]


@pytest.mark.rule("writer.one")
def test_a_second_writer_in_another_process_gets_an_error_that_names_the_first(begin: Callable[..., Any]) -> None:
    holder = begin(
        "from mlvlogger import Logger; log = Logger('a.jsonl'); print('ready', flush=True); input(); log.close()"
    )
    assert holder.stdout.readline() == "ready\n"
    before = PATH.read_bytes()
    with pytest.raises(StreamBusy) as caught:
        Logger(PATH)
    assert str(caught.value) == (
        f"a.jsonl: another writer has the log (process {holder.pid} on {os.uname().nodename!r} opened it last). "
        "Wait until it ends, or log to a separate stream: exp.stream(name), Exp.open(path)."
    )
    assert PATH.read_bytes() == before
    print(file=holder.stdin)
    assert holder.wait() == 0
    Logger(PATH).close()


def test_after_close_nothing_is_written_and_events_raise() -> None:
    log = Logger(PATH)
    log.close()
    before = PATH.read_bytes()
    for call in (lambda: log.event("x"), lambda: log.span("x"), log.pause, log.resume):
        with pytest.raises(LogClosed, match=r"after a\.jsonl was closed"):
            call()
    log.flush()
    log.close("failed")
    assert PATH.read_bytes() == before


def test_eight_threads_share_a_logger_and_lose_nothing(events: Callable[..., Any]) -> None:
    log = Logger(PATH)
    acknowledged: list[tuple[int | None, int, int]] = []
    start = threading.Barrier(8)

    def work(thread: int) -> None:
        start.wait()
        for number in range(500):
            acknowledged.append((log.event("x", thread=thread, number=number), thread, number))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    written = {e["seq"]: e["data"] for e in events(PATH) if e["event"] == "x"}
    assert written == {seq: {"thread": thread, "number": number} for seq, thread, number in acknowledged}
    for number in range(8):
        assert [data["number"] for data in written.values() if data["thread"] == number] == list(range(500))


class Stop(BaseException):
    """What a signal handler raises."""


def at_each_call(act: Callable[[], None], work: Callable[[], None]) -> Callable[[int], bool]:
    """Runs *work* and calls *act* at the n-th place inside mlvlogger where Python would run a signal handler.

    These places are the begin of a function and the return of one that is written in C. Returns whether there were n.
    """

    def run(number: int) -> bool:
        left = number

        def profile(frame: Any, event: str, _: Any) -> None:
            nonlocal left
            if event in ("call", "c_return") and frame.f_code.co_filename.startswith(HOME):
                left -= 1
                if left == 0:
                    sys.setprofile(None)
                    act()

        gc.disable()  # what an exception does inside a finalizer is Python's own affair
        sys.setprofile(profile)
        try:
            work()
        finally:
            sys.setprofile(None)
            gc.enable()
        return left <= 0

    return run


@pytest.mark.slow
@pytest.mark.rule("writer.line")
def test_an_exception_of_a_signal_handler_at_any_moment_leaves_the_stream_in_order(
    constant: Any, events: Callable[..., Any]
) -> None:
    """As KeyboardInterrupt does. Afterwards the logger works, and whatever was acknowledged is there."""
    constant("_write.seals._SEAL_EVERY", 700)
    constant("_write.seals._HASH_EVERY", 150)

    def stop() -> None:
        raise Stop

    number = 0
    more = True
    while more:
        number += 1
        path = Path(f"{number}.jsonl")
        log = Logger(path)
        seqs: list[int | None] = []

        def work(log: Logger = log, seqs: list[int | None] = seqs) -> None:
            for part in range(2):
                with log.span("span", part=part) as span:
                    seqs.append(span.event("x", text="y" * 200))
                seqs.append(log.event("x", text="y" * 200))
            log.flush()

        try:
            more = at_each_call(stop, work)(number)
        except Stop:
            pass
        after = log.event("after")
        log.close()
        written = {event["seq"]: event["event"] for event in events(path)}
        assert after is not None and written[after] == "after", f"place {number}"
        assert all(written[seq] in ("x", "span/x") for seq in seqs if seq), f"place {number}"
        assert None not in seqs
    assert number > 50


def test_an_exception_of_a_signal_handler_while_closing_leaves_the_stream_in_order(events: Callable[..., Any]) -> None:
    def stop() -> None:
        raise Stop

    number = 0
    more = True
    while more:
        number += 1
        path = Path(f"{number}.jsonl")
        log = Logger(path)
        log.event("x")
        try:
            more = at_each_call(stop, log.close)(number)
        except Stop:
            pass
        log.close()
        Logger(path).close()
        written = names(events(path))
        assert written[:2] == ["mlv/start", "x"] and written[-2:] == ["mlv/start", "mlv/end"], f"place {number}"
    assert number > 20


@pytest.mark.slow
def test_an_event_of_a_signal_handler_at_any_moment_is_whole_and_in_order(
    constant: Any, events: Callable[..., Any]
) -> None:
    """The handler may interrupt an event, a flush or a close. The handler's event is written, or it gets an error."""
    constant("_write.seals._SEAL_EVERY", 700)
    constant("_write.seals._HASH_EVERY", 150)
    number = 0
    more = True
    while more:
        number += 1
        path = Path(f"{number}.jsonl")
        log = Logger(path)
        reported: list[Any] = []

        def handler(log: Logger = log, reported: list[Any] = reported) -> None:
            try:
                reported.append(log.event("handler"))
            except LogClosed:
                reported.append(LogClosed)

        def work(log: Logger = log) -> None:
            for part in range(2):
                with log.span("span", part=part) as span:
                    span.event("x", text="y" * 200)
                log.event("x", text="y" * 200)
            log.flush()
            log.sub("a").event("b")
            log.close()

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            more = at_each_call(handler, work)(number)
        if any("handler" in str(warning.message) for warning in caught):
            reported = [LogClosed]
        log.close()
        written = events(path)
        assert [name for name in names(written) if name not in ("handler", "mlv/seal")] == [
            *["mlv/start", *["span", "span/x", "span", "x"] * 2, "a/b", "mlv/end"]
        ], f"place {number}"
        if reported and isinstance(reported[0], int):
            assert written[reported[0] - 1]["event"] == "handler", f"place {number}"
        assert names(written).count("handler") == (len(reported) if LogClosed not in reported else 0), f"place {number}"
    assert number > 50


def test_a_log_that_cannot_be_started_leaves_no_file(run: Callable[..., Any]) -> None:
    """Neither its own file nor a replacement, also if the system writes again before the logger is gone."""
    done = run(program("streams_cannot_begin"))
    assert (done.stdout, done.stderr) == ("File too large\n[]\n", "")


@pytest.mark.slow
@pytest.mark.parametrize("act", ["raise", "flush", "close"])
def test_a_signal_handler_while_queued_events_are_written_repeats_nothing(act: str, run: Callable[..., Any]) -> None:
    """At each place inside the event that writes the backlog and the mlv/dropped, it raises, flushes or closes."""
    run(program("streams_handler_while_writing_backlog"), act)


def test_a_truncated_log_does_not_repeat_events(constant: Any) -> None:
    """`: > a.jsonl` by hand, or logrotate with copytruncate: the seals are lost, the numbers continue."""
    constant("_write.seals._HASH_EVERY", 10)
    log = Logger(PATH)
    log.event("x", number=0)
    os.truncate(PATH, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number in range(1, 6):
            log.event("x", number=number)
        log.close()
    written = [json.loads(line) for line in PATH.read_bytes().splitlines()]
    numbers = [event["data"]["number"] for event in written if event["event"] == "x"]
    assert numbers == sorted(set(numbers))
    assert len({event["seq"] for event in written}) == len(written)


@pytest.mark.rule("writer.fork")
def test_forked_children_get_their_own_streams(child: Callable[..., int], events: Callable[..., Any]) -> None:
    log = Logger(PATH)
    log.event("parent")

    def work() -> None:
        assert log.event("child", number=1) == 2
        assert log.event("child", number=2) == 3
        log.close()

    pids = [child(work), child(work)]
    assert log.event("parent") == 3
    log.close()
    assert names(events(PATH)) == ["mlv/start", "parent", "parent", "mlv/end"]
    for number, pid in enumerate(pids, 1):
        written = events(f"a.fork-{number}.jsonl")
        assert names(written) == ["mlv/start", "child", "child", "mlv/end"]
        start = written[0]["data"]
        assert start["pid"] == pid
        assert start["fork_of"] == {"_mlv": "event", "experiment": None, "stream": "a.jsonl", "seq": 2}


@pytest.mark.rule("writer.fork")
def test_a_forked_child_that_logs_nothing_leaves_nothing(child: Callable[..., int], events: Any) -> None:
    log = Logger(PATH)

    def leave() -> None:
        log.flush()
        log.close()

    child(leave)
    assert log.event("x") == 2
    log.close()
    assert os.listdir() == ["a.jsonl"] and names(events(PATH)) == ["mlv/start", "x", "mlv/end"]


@pytest.mark.slow
@pytest.mark.rule("writer.fork")
def test_a_child_forked_while_another_thread_logs_loses_nothing(child: Callable[..., int], events: Any) -> None:
    log = Logger(PATH)
    done = threading.Event()

    def work() -> None:
        while not done.is_set():
            log.event("parent")

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for number in range(30):
            child(lambda number=number: [log.event("child", number=number) for _ in range(3)])
    finally:
        sys.setswitchinterval(before)
        done.set()
        for thread in threads:
            thread.join()
    log.close()
    assert set(names(events(PATH))) == {"mlv/start", "parent", "mlv/end"}
    for number in range(30):
        written = events(f"a.fork-{number + 1}.jsonl")
        assert [e["data"] for e in written[1:]] == [{"number": number}] * 3


@pytest.mark.rule("writer.fork")
def test_a_child_whose_stream_cannot_be_written_warns_and_changes_no_other_file(run: Callable[..., Any]) -> None:
    """The descriptor that it closed may belong to a file of the user's by then."""
    run(program("streams_child_cannot_write"))


def test_with_on_error_raise_a_span_can_be_ended_after_a_failed_write(run: Callable[..., Any]) -> None:
    run(program("streams_raise_in_span"))


@pytest.mark.parametrize("argument", ["on_error", "durability", "exists"])
def test_an_unknown_option_is_refused_before_anything_is_created(argument: str) -> None:
    options: Any = {argument: "maybe"}
    with pytest.raises(ValueError, match=f"{argument} is 'maybe'; it must be one of '"):
        Logger(PATH, **options)
    assert os.listdir() == []


def test_with_exists_error_an_existing_file_is_refused() -> None:
    Logger(PATH, exists="error").close()
    before = PATH.read_bytes()
    with pytest.raises(FileExistsError):
        Logger(PATH, exists="error")
    assert PATH.read_bytes() == before


@pytest.mark.rule("writer.refuse")
def test_a_log_without_free_numbers_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    Logger(path).close()
    text = path.read_text().replace('"seq":1,', f'"seq":{2**53 - 10},')
    path.write_text(text.splitlines(keepends=True)[0])
    before = path.read_bytes()
    with pytest.raises(InvalidRecord, match="so no numbers are left. Log to another file"):
        Logger(path, exists="resume")
    assert path.read_bytes() == before
