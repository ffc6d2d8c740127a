"""Loggers: names, data, navigation, spans, and how a with block ends."""

import signal
import sys
import threading
import types
import warnings
from collections import UserDict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from mlvlogger import Exp, InvalidName, InvalidRecord, Logger, MLVError, Span
from program import program

PATH = Path("a.jsonl")


@pytest.fixture
def log() -> Iterator[Logger]:
    logger = Logger(PATH)
    yield logger
    logger.close()


@pytest.fixture
def logged(log: Logger, events: Callable[..., Any]) -> Callable[[], list[dict[str, Any]]]:
    """`logged()`: the events so far without those of the lifecycle, their times and durations."""

    def written() -> list[dict[str, Any]]:
        user = [event for event in events(PATH) if event["event"].partition("/")[0] != "mlv"]
        return [{key: value for key, value in event.items() if key not in ("time", "seconds")} for event in user]

    return written


def test_an_event_has_its_seq_its_name_and_its_data(log: Logger, logged: Any) -> None:
    assert log.event("a") == 2
    assert log.event("b/c", {"top-1": 0.5}, step=1) == 3
    assert logged() == [
        {"seq": 2, "event": "a", "data": {}},
        {"seq": 3, "event": "b/c", "data": {"top-1": 0.5, "step": 1}},
    ]


@pytest.mark.parametrize(
    "name", ["a", "ä/€", "a b", "MLV/x", "mlvx/y", "a/mlv", "\U0001f600" * 1024, "a.b", "~", "\u2028", "..", "a/./b"]
)
def test_a_name_of_words_joined_by_slashes_is_fine(name: str, log: Logger, logged: Any) -> None:
    log.event(name)
    assert logged()[0]["event"] == name


@pytest.mark.rule("writer.refused-number")
@pytest.mark.rule("writer.refuse")
@pytest.mark.rule("writer.refused-told")
@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "/a",
        "a/",
        "a//b",
        "mlv",
        "mlv/x",
        "mlv/end",
        "a\n",
        "\x00",
        "a\x7f",
        "a\x9f",
        "a" * 1025,
        "\ud800",
        None,
        5,
        b"a",
    ],
)
def test_a_bad_name_is_refused_by_all_that_take_one_and_nothing_is_written(name: Any, log: Logger) -> None:
    before = PATH.read_bytes()
    for call in (log.event, log.span, log.sub):
        with pytest.raises(InvalidName, match="isn't an event name"):
            call(name)
    assert PATH.read_bytes() == before


def test_the_limits_of_a_name_are_those_of_the_whole_name(log: Logger) -> None:
    inner = log.sub("a" * 1000)
    inner.event("b" * 23)
    with pytest.raises(InvalidName, match="1024 characters"):
        inner.event("b" * 24)
    with pytest.raises(InvalidName):
        inner.event("/b")
    inner.event("mlv/end")  # only the first segment is reserved


def test_keys_of_any_kind_are_data(log: Logger, logged: Any) -> None:
    data = {"name": 1, "data": 2, "self": 3, "seq": 4, "_mlv": 5, "": 6}
    log.event("a", data)
    log.event("b", name=1, data=2, self=3, seq=4, _mlv=5)
    assert logged()[0]["data"] == {"name": 1, "data": 2, "self": 3, "seq": 4, "__mlv": 5, "": 6}
    assert logged()[1]["data"] == {"name": 1, "data": 2, "self": 3, "seq": 4, "__mlv": 5}


def test_a_duplicate_key_and_data_that_is_not_a_mapping_are_refused(log: Logger) -> None:
    before = PATH.read_bytes()
    with pytest.raises(TypeError, match="data has 'a' twice, in the mapping and by keyword. Give it once."):
        log.event("x", {"a": 1}, a=1)
    for data in (5, [("a", 1)], "a", {1, 2}):
        with pytest.raises(TypeError, match="give a dict, or name each value"):
            log.event("x", data)  # type: ignore[arg-type]
    assert PATH.read_bytes() == before


SAME_NAME: dict[str, tuple[Any, dict[str, Any], dict[str, Any]]] = {
    "number": ({1: 5}, {"1": 2}, {"1": 5, "1~2": 2}),
    "taken": ({1: 5, "1~2": 6}, {"1": 2, "1~3": 3}, {"1": 5, "1~2": 6, "1~3": 3, "1~4": 2}),
    "path": ({PurePosixPath("a"): 5}, {"a": 2}, {"a": 5, "a~2": 2}),
    "escaped": ({PurePosixPath("_mlv"): 5}, {"_mlv": 2}, {"__mlv": 5, "__mlv~2": 2}),
    "surrogate": ({"a\ud800": 5}, {"a\\ud800": 2}, {"a\\ud800": 5, "a\\ud800~2": 2}),
    "proxy": (types.MappingProxyType({True: 5}), {"true": 2}, {"true": 5, "true~2": 2}),
}


@pytest.mark.filterwarnings("ignore:.*lone surrogate")
@pytest.mark.parametrize("name", SAME_NAME)
def test_a_key_and_a_keyword_with_one_name_in_json_are_both_recorded_with_a_warning(
    name: str, log: Logger, logged: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlvlogger._messages._warned", set())
    data, members, expected = SAME_NAME[name]
    with pytest.warns(RuntimeWarning, match="have the same name in JSON.*Rename one of them"):
        log.event("x", data, **members)
        with log.span("s", data, **members) as span:
            span.end(data, **members)
    assert [event["data"] for event in logged()] == [expected] * 3


@pytest.mark.parametrize("data", [{"a": 1}, {"_mlv": 1}, types.MappingProxyType({"a": 1}), types.SimpleNamespace(a=1)])
def test_one_key_that_is_given_twice_is_refused(data: Any, log: Logger) -> None:
    name = "_mlv" if data == {"_mlv": 1} else "a"
    with pytest.raises(TypeError, match="twice, in the mapping and by keyword. Give it once."):
        log.event("x", data, **{name: 2})


def test_an_event_is_a_snapshot(log: Logger, logged: Any) -> None:
    inner = [1, 2]
    data = {"a": inner}
    log.event("x", data)
    inner.append(3)
    data["b"] = inner
    assert logged()[0]["data"] == {"a": [1, 2]}
    assert data == {"a": [1, 2, 3], "b": [1, 2, 3]}


class RaisingMapping(Mapping[Any, Any]):
    def __getitem__(self, key: str) -> Any:
        raise ZeroDivisionError

    def __iter__(self) -> Iterator[str]:
        raise ZeroDivisionError

    def __len__(self) -> int:
        return 1


def test_data_that_cannot_be_encoded_is_recorded_as_its_type_and_repr(log: Logger, logged: Any) -> None:
    data = RaisingMapping()
    with pytest.warns(RuntimeWarning, match="recorded as its type and repr"):
        assert log.event("x", data) == 2
        assert log.event("x", data, value=1) == 3
    first, second = (event["data"] for event in logged())
    assert first["value"]["_mlv"] == "unencodable" and second == {"value": 1, "value~2": first["value"]}


def test_keys_that_are_not_strings_are_spelled_as_in_json(log: Logger, logged: Any) -> None:
    log.event("x", {1: 2, None: {True: 0.5}}, a=UserDict({2: 3}))  # type: ignore[dict-item]
    assert logged()[0]["data"] == {"1": 2, "null": {"true": 0.5}, "a": {"2": 3}}


def test_two_keys_with_one_name_are_both_recorded_with_one_warning(log: Logger, logged: Any) -> None:
    with pytest.warns(RuntimeWarning) as caught:
        for _ in range(3):
            log.event("x", {"1": "a", 1: "b"}, c={True: "d", "true": "e"})  # type: ignore[dict-item]
        log.span("s", {"1": "a", 1: "b"}).end({"1": "a", 1: "b"})  # type: ignore[dict-item]
    assert len(caught) == 2 and all("have the same name in JSON" in str(warning.message) for warning in caught)
    data = {"1": "a", "1~2": "b", "c": {"true": "d", "true~2": "e"}}
    assert [event["data"] for event in logged()[:3]] == [data] * 3
    assert [event["data"] for event in logged()[3:]] == [{"1": "a", "1~2": "b"}] * 2


def test_a_configuration_may_be_the_data(log: Logger, logged: Any) -> None:
    log.event("x", types.SimpleNamespace(lr=0.5, layers={1: Logger}), more=1)  # type: ignore[arg-type]
    assert logged()[0]["data"] == {"lr": 0.5, "layers": {"1": "mlvlogger._logger.Logger"}, "more": 1}


def test_a_value_that_cannot_be_encoded_warns_once(log: Logger, logged: Any) -> None:
    with pytest.warns(RuntimeWarning) as caught:
        for _ in range(5):
            assert log.event("x", fine=1, z=1j) is not None
    assert [str(warning.message) for warning in caught] == [
        "data.z: the value is of type complex. It was recorded as its type and repr only."
    ]
    assert caught[0].filename == __file__, "the line of the user"
    unencodable = {"_mlv": "unencodable", "type": "complex", "repr": "1j"}
    assert [event["data"] for event in logged()] == [{"fine": 1, "z": unencodable}] * 5


@pytest.mark.slow
@pytest.mark.parametrize(
    "value",
    [[0.5] * 10_001, [[0] * 101] * 100, {"a": [{"b": 1}] * 5_001}, "x" * 2**20, b"x" * 2**20, ["x" * 2**10] * 2**10],
    ids=["list", "nested", "dicts", "text", "bytes", "texts"],
)
def test_a_large_array_is_recorded_with_one_warning(value: Any, log: Logger, logged: Any) -> None:
    with pytest.warns(RuntimeWarning) as caught:
        for step in range(3):
            log.event("x", step=step, image=value, other=value)
        log.span("s", {"image": value}).end(image=value)
    assert len(caught) == 1 and caught[0].filename == __file__
    assert str(caught[0].message).startswith("data.image: more than 10000 numbers or 1 MiB of text were logged")
    images = [event["data"]["image"] for event in logged()]
    assert len(images) == 5 and all(image == images[0] for image in images)
    assert images[0] == value or images[0]["_mlv"] == "bytes"


def test_an_array_that_is_not_large_is_recorded_without_a_warning(log: Logger) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        log.event("x", a=[0.5] * 10_000, b=[[0] * 99] * 100, c="x" * (2**20 - 2), d={str(n): n for n in range(9_000)})


def test_the_advice_in_the_warning_about_a_large_array_works(conforms: Any) -> None:
    numpy = pytest.importorskip("numpy", reason="not applicable: NumPy is not installed")
    array = numpy.zeros((256, 256))
    with Exp("runs", "e") as exp:
        with pytest.warns(RuntimeWarning, match=r"numpy.save\(path, array\), exp.attach\(path\).*numpy.histogram"):
            exp.log.event("x", image=array)
        numpy.save("image.npy", array)
        file = exp.attach("image.npy")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            counts, edges = numpy.histogram(array)
            exp.log.event("x", counts=counts, edges=edges)
    assert (numpy.load(exp.path / file.path) == array).all()
    conforms("runs/e", sealed=True)


def test_a_part_that_is_too_large_loses_only_itself(log: Logger, logged: Any) -> None:
    with pytest.warns(RuntimeWarning):
        log.event("x", loss=0.5, steps=range(10**12))
    data = logged()[0]["data"]
    assert (data["loss"], data["steps"]["_mlv"]) == (0.5, "unencodable")


def test_data_larger_than_a_line_is_cut_and_the_rest_recorded(log: Logger, logged: Any) -> None:
    with pytest.warns(RuntimeWarning, match="larger than a record may be"):
        log.event("x", small=[1, 2], large="y" * 2**24)
        log.event("x", {str(number): "y" * 60_000 for number in range(300)})
    first, second = logged()
    assert first["data"]["small"] == [1, 2] and first["data"]["large"]["_mlv"] == "unencodable"
    assert len(str(second["data"])) < 2**24


@pytest.mark.parametrize("size", [2**24 - 4096 - 100, 2**24 - 4096, 2**24 - 13_000])
def test_no_line_exceeds_the_size_limit_whatever_its_name(size: int, log: Logger) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        log.event("\U0001f600" * 1024, text="y" * size)
    assert max(len(line) for line in PATH.read_bytes().splitlines(keepends=True)) <= 2**24


def test_a_logger_knows_its_path_parent_root_and_file(log: Logger) -> None:
    train = log.sub("train")
    batch = train.sub("inner/batch")
    span = train.span("epoch")
    assert [logger.path for logger in (log, train, batch, span)] == ["", "train", "train/inner/batch", "train/epoch"]
    assert (log.parent, train.parent, batch.parent, span.parent) == (None, log, train, train)
    assert log.root is train.root is batch.root is span.root is log
    assert {logger.file for logger in (log, train, batch, span)} == {PATH}
    assert isinstance(span, Span) and (repr(batch), repr(span)) == (
        "<Logger 'train/inner/batch' of a.jsonl>",
        "<Span 'train/epoch' of a.jsonl>",
    )


def test_spans_nest_and_events_are_in_the_innermost(log: Logger, logged: Any) -> None:
    with log.span("epoch", n=0) as epoch:
        epoch.event("a")
        with epoch.sub("val").span("batch", {"b": 1}) as batch:
            batch.sub("deep").event("c")
            log.event("outside")
        assert (epoch.seq, batch.seq, epoch.is_open, batch.is_open) == (2, 4, True, False)
    assert logged() == [
        {"seq": 2, "event": "epoch", "data": {"n": 0}, "span": "begin"},
        {"seq": 3, "event": "epoch/a", "data": {}, "within": 2},
        {"seq": 4, "event": "epoch/val/batch", "data": {"b": 1}, "within": 2, "span": "begin"},
        {"seq": 5, "event": "epoch/val/batch/deep/c", "data": {}, "within": 4},
        {"seq": 6, "event": "outside", "data": {}},
        {"seq": 7, "event": "epoch/val/batch", "data": {}, "span": "end", "begin": 4},
        {"seq": 8, "event": "epoch", "data": {}, "span": "end", "begin": 2},
    ]


def test_a_span_takes_data_at_its_end_and_ends_once(log: Logger, logged: Any, events: Any) -> None:
    span = log.span("a")
    assert span.end({"loss": 1}, n=2) == 3
    assert span.end() is None
    span.close()
    assert logged()[1:] == [{"seq": 3, "event": "a", "data": {"loss": 1, "n": 2}, "span": "end", "begin": 2}]
    assert 0 <= events(PATH)[-1]["seconds"] < 5


def test_a_refused_end_leaves_the_span_open(log: Logger) -> None:
    span = log.span("a")
    with pytest.raises(TypeError):
        span.end(5)  # type: ignore[arg-type]
    assert span.is_open and span.end() == 3


def test_a_span_ended_by_an_exception_says_so(log: Logger, logged: Any) -> None:
    with pytest.raises(ZeroDivisionError), log.span("a"):
        raise ZeroDivisionError("äh\ud800")
    assert logged()[-1]["data"] == {"error": {"type": "ZeroDivisionError", "message": "äh\\ud800"}}


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise ZeroDivisionError


def test_an_exception_whose_str_raises_still_propagates(events: Any) -> None:
    with pytest.raises(Unspeakable), Logger(PATH) as log, log.span("a"):
        raise Unspeakable
    written = events(PATH)
    assert written[-2]["data"]["error"]["type"] == "Unspeakable"
    assert (written[-1]["data"]["status"], written[-1]["data"]["error"]["type"]) == ("failed", "Unspeakable")


def test_events_after_a_span_are_in_the_next_outer_span(log: Logger, logged: Any) -> None:
    outer = log.span("a")
    inner = outer.span("b")
    sub = inner.sub("c")
    inner.end()
    inner.event("late")
    sub.event("late")
    outer.end()
    sub.event("later")
    inner.event("later")
    assert [(event["event"], event.get("within")) for event in logged()[3:]] == [
        ("a/b/late", 2),
        ("a/b/c/late", 2),
        ("a", None),
        ("a/b/c/later", None),
        ("a/b/later", None),
    ]


def test_spans_may_end_in_any_order(log: Logger, logged: Any) -> None:
    first, second = log.span("a"), log.span("b")
    first.end()
    second.event("x")
    second.end()
    assert [(event["event"], event.get("within")) for event in logged()[2:]] == [("a", None), ("b/x", 3), ("b", None)]


def test_spans_of_threads_overlap_and_stay_whole(log: Logger, events: Any) -> None:
    start = threading.Barrier(4)

    def work(number: int) -> None:
        start.wait()
        for _ in range(50):
            with log.span(f"t{number}") as outer, outer.span("inner") as inner:
                inner.event("x")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    written = events(PATH)
    begins = {event["seq"]: event["event"] for event in written if event.get("span") == "begin"}
    assert len(written) == 1 + 4 * 50 * 5
    assert all(begins[event["within"]] == event["event"][:-2] for event in written if event["event"].endswith("/x"))


@pytest.mark.slow
def test_a_span_that_threads_share_never_has_an_event_after_its_end(log: Logger, events: Any) -> None:
    """Other threads log into the span, and end it too, while it is ended and while the stream is rewound."""
    import sys

    shared = [log.span("s")]
    done = threading.Event()

    def work() -> None:
        while not done.is_set():
            span = shared[0]
            span.event("x")
            span.span("inner").end()
            span.end()

    threads = [threading.Thread(target=work) for _ in range(3)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for number in range(1500):
            shared[0] = log.span("s")
            if number % 10 == 0:
                log._stream.rewind(2)
            shared[0].end()
    finally:
        sys.setswitchinterval(before)
        done.set()
        for thread in threads:
            thread.join()
    events(PATH)


def test_a_forked_child_is_in_no_span_of_its_parent(log: Logger, child: Any, events: Any) -> None:
    with log.span("a") as span:

        def work() -> None:
            span.event("x")
            with span.span("inner") as inner:
                inner.event("y")
            assert span.end() is None

        child(work)
    written = events("a.fork-1.jsonl")
    assert [(event["event"], event.get("within")) for event in written] == [
        ("mlv/start", None),
        ("a/x", None),
        ("a/inner", None),
        ("a/inner/y", 3),
        ("a/inner", None),
    ]
    assert events(PATH)[-1]["begin"] == 2


def test_pause_and_resume_are_recorded_with_their_reasons(log: Logger, events: Any) -> None:
    assert log.pause("preempted") == 2
    assert log.resume() == 3
    assert log.pause() == 4
    assert log.resume("back \ud800") == 5
    assert [(event["event"], event["data"]) for event in events(PATH)[1:]] == [
        ("mlv/pause", {"reason": "preempted"}),
        ("mlv/resume", {}),
        ("mlv/pause", {}),
        ("mlv/resume", {"reason": "back \\ud800"}),
    ]


@pytest.mark.parametrize("reason", [5, b"x", ["a"], {"_mlv": "float"}])
def test_a_reason_that_is_not_a_string_is_refused(reason: Any, log: Logger) -> None:
    before = PATH.read_bytes()
    for call in (log.pause, log.resume):
        with pytest.raises(TypeError, match="reason is .*; it must be a string"):
            call(reason)
    assert PATH.read_bytes() == before


def test_a_very_long_reason_does_not_break_the_line(log: Logger, events: Any) -> None:
    log.pause("x" * 2**25)
    events(PATH)


@pytest.mark.rule("writer.seal")
def test_a_stream_closed_while_paused_is_sealed_and_has_no_end(events: Any) -> None:
    with Logger(PATH) as log:
        log.pause()
    assert [event["event"] for event in events(PATH)] == ["mlv/start", "mlv/pause", "mlv/seal"]
    with Logger(PATH) as log:
        log.pause()
        log.resume()
    assert [event["event"] for event in events(PATH)[3:]] == ["mlv/start", "mlv/pause", "mlv/resume", "mlv/end"]


WAYS = {
    "return": (None, "completed", None),
    "exit": (SystemExit(), "completed", None),
    "exit-0": (SystemExit(0), "completed", None),
    "exit-1": (SystemExit(1), "failed", "1"),
    "exit-text": (SystemExit("no data"), "failed", "no data"),
    "exit-sigint": (SystemExit(130), "interrupted", "130"),
    "exit-sigterm": (SystemExit(143), "interrupted", "143"),
    "interrupt": (KeyboardInterrupt(), "interrupted", ""),
    "exception": (ValueError("bad"), "failed", "bad"),
    "surrogate": (ValueError("\ud800"), "failed", "\\ud800"),
    "long": (ValueError("x" * 10**6), "failed", "x" * 10_000),
    "generator-exit": (GeneratorExit(), "failed", ""),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_exit_of_a_with_block_determines_the_status(way: str, events: Any) -> None:
    error, status, message = WAYS[way]
    raised: BaseException | None = None
    try:
        with Logger(PATH) as log:
            log.event("x")
            if error is not None:
                raise error
    except BaseException as caught:
        raised = caught
    assert raised is error
    end = events(PATH)[-1]
    assert (end["event"], end["data"]["status"]) == ("mlv/end", status)
    if message is None:
        assert "error" not in end["data"]
    else:
        recorded = end["data"]["error"]
        assert (recorded["type"], recorded["message"]) == (type(error).__name__, message)
        assert set(recorded) == {"type", "message", "traceback"} and len(recorded["traceback"]) <= 10_000


def test_an_exit_in_the_handling_of_an_interrupt_is_an_interrupt(events: Any) -> None:
    with pytest.raises(SystemExit), Logger(PATH):
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            sys.exit(1)
    end = events(PATH)[-1]["data"]
    assert (end["status"], end["error"]["type"]) == ("interrupted", "SystemExit")


def test_a_script_that_handles_sigterm_is_interrupted_and_one_that_does_not_is_open(begin: Any, events: Any) -> None:
    for name, handles, last in (("handled.jsonl", True, "mlv/end"), ("not.jsonl", False, "x")):
        script = begin(program("logger_sigterm"), name, handles)
        assert script.stdout.readline() == "ready\n"
        script.send_signal(signal.SIGTERM)
        script.wait()
        assert events(name)[-1]["event"] == last
    assert events("handled.jsonl")[-1]["data"]["status"] == "interrupted"


@pytest.mark.parametrize("status", ["done", "", None, "Completed"])
def test_an_unknown_status_is_refused_and_the_stream_stays_open(status: Any, log: Logger) -> None:
    with pytest.raises(ValueError, match="it must be one of 'completed', 'failed', 'interrupted'"):
        log.close(status)
    assert log.event("x") == 2


def test_leaving_the_block_of_a_sub_logger_does_not_end_the_stream(log: Logger, events: Any) -> None:
    with log.sub("a") as sub:
        sub.event("x")
    assert log.event("y") == 3
    events(PATH)


def test_a_logger_continues_the_log_of_an_earlier_script(events: Any) -> None:
    for session in range(2):
        with Logger(str(PATH)) as log:
            assert log.event("x") == 2 + session * 3
    assert [event["event"] for event in events(PATH)] == ["mlv/start", "x", "mlv/end"] * 2


def test_a_foreign_file_and_a_missing_directory_are_refused_with_the_reason() -> None:
    Path("notes.txt").write_text("mine\n")
    with pytest.raises(InvalidRecord) as caught:
        Logger("notes.txt")
    assert str(caught.value) == ("notes.txt is not an MLV stream: its first line isn't mlv/start. Log to another file.")
    assert isinstance(caught.value, MLVError)
    with pytest.raises(FileNotFoundError):
        Logger("missing/a.jsonl")
    assert not Path("missing").exists() and Path("notes.txt").read_text() == "mine\n"
