"""Reading: all valid events are read in their order, and everything that is skipped is reported."""

import errno
import hashlib
import itertools
import json
import math
import os
import random
import re
import time
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from mlvlogger import (
    Event,
    Exp,
    Experiment,
    ExperimentRef,
    InvalidRecord,
    Logger,
    NotAnExperiment,
    Opaque,
    Problem,
    UnsupportedVersion,
    find,
    read,
    ref,
    unfollowed_links,
)
from program import program

HOME = Path("runs/e")
LOG = HOME / "log.jsonl"
SPEC = Path(__file__).parents[2] / "spec" / "1.0"
NOW = "2026-11-22T18:24:00.000000Z"


@pytest.fixture
def exp() -> Iterator[Exp]:
    with Exp("runs", "e") as experiment:
        yield experiment
        # What a test did to the log of a living writer is not of interest here.
        warnings.simplefilter("ignore", RuntimeWarning)


def line(seq: int, event: str, data: Any = None, **members: Any) -> bytes:
    return json.dumps({"seq": seq, "time": NOW, "event": event, "data": data or {}, **members}).encode() + b"\n"


def start(seq: int = 1, version: str = "1.0", **members: Any) -> bytes:
    data = {"mlv": version, "writer": {"name": "x", "version": "1"}, "host": "h", "pid": 1, **members}
    return line(seq, "mlv/start", data)


def log(*lines: bytes) -> Experiment:
    """An experiment with these lines in its log."""
    if not HOME.exists():
        Exp("runs", "e").close()
    LOG.write_bytes(b"".join(lines))
    return read(HOME)


def end(seq: int, status: str = "completed") -> bytes:
    return line(seq, "mlv/end", {"status": status, "from": 0, "sha256": "0" * 64})


def names(events: Any) -> list[str]:
    return [event.name for event in events]


def test_the_attributes_of_an_experiment() -> None:
    with Exp("runs", "e", {"lr": 1}, "train", tags=["t"], description="d", extra={"x": math.inf}) as exp:
        exp.stream("gpu").event("x")
        Exp(HOME / "sub", "s").close()
    run = read("runs/e")
    assert isinstance(run, Experiment)
    assert (run.path, run.id, run.name, run.kind) == (HOME, exp.id, "e", "train")
    assert (run.params, run.extra, run.tags, run.descriptions) == ({"lr": 1}, {"x": math.inf}, ["t"], ["d"])
    assert (run.state, run.streams, run.parent, run.problems) == ("completed", ["log.jsonl", "log/gpu.jsonl"], None, [])
    assert run.created is not None and run.created.tzinfo == timezone.utc
    assert run.environments[0]["runtime"]["language"] == "Python" and run.records[0]["name"] == "e"
    assert repr(run) == "<Experiment 'runs/e'>"
    assert [sub.parent_ref for sub in run.subs()] == [ExperimentRef(exp.id, "../..")]


def test_the_attributes_of_an_event() -> None:
    run = log(start(), line(2, "a", {"loss": 0.5}, span="begin"), line(3, "a", {}, span="end", begin=2, seconds=0.25))
    moment = datetime(2026, 11, 22, 18, 24, tzinfo=timezone.utc)
    assert list(run.events()) == [
        Event("log.jsonl", 2, moment, "a", {"loss": 0.5}, "begin", None, None, None, 2),
        Event("log.jsonl", 3, moment, "a", {}, "end", 2, 0.25, None, 3),
    ]


def state_table() -> list[tuple[str, str]]:
    text = (SPEC / "lifecycle.md").read_text("utf-8").partition("| lifecycle events in `log.jsonl` | state |")[2]
    return re.findall(r"^\| (start.*) \| (\w+) \|$", text, re.MULTILINE)


def test_the_state_follows_each_row_of_the_specification() -> None:
    rows = state_table()
    assert len(rows) == 11
    for row, state in [*rows, ("", "open")]:
        lines = []
        for seq, word in enumerate(row.split(", ") if row else [], 1):
            name, _, status = word.partition(" ")
            if name == "start":
                lines.append(start(seq))
            elif name == "end":
                lines.append(end(seq, status))
            else:
                data = {"rewind": {"to": 0}, "seal": {"from": 0, "sha256": "0" * 64}}.get(name, {})
                lines.append(line(seq, f"mlv/{name}", data))
        assert log(*lines).state == state, row
        assert log(*lines, line(99, "x"), line(100, "mlv/file", {})).state == state, row
    LOG.unlink()
    run = read(HOME)
    assert (run.state, run.streams, list(run.events())) == ("open", [], [])


@pytest.mark.parametrize("spelling", ["mlv\\/pause", "\\u006dlv/pause", "mlv\\u002fpause"])
def test_a_lifecycle_event_is_one_however_its_name_is_spelt(spelling: str) -> None:
    run = log(start(), line(2, "x"), line(3, "mlv/pause").replace(b"mlv/pause", spelling.encode()))
    assert run.state == "paused" and names(run.events()) == ["x"]
    rewind = line(4, "mlv/rewind", {"to": 1}).replace(b"mlv/", b"mlv\\/")
    assert list(log(start(), line(2, "x"), line(3, "x"), rewind).events()) == []


REWINDS = {
    "none": ([], [2, 3, 4]),
    "all": ([(5, 0)], []),
    "from-the-second": ([(5, 2)], [2]),
    "nothing": ([(5, 4)], [2, 3, 4]),
    "twice": ([(5, 3), (6, 2)], [2]),
    "the-earlier-reaches-further": ([(5, 2), (6, 3)], [2]),
}


@pytest.mark.rule("reader.rewind")
@pytest.mark.parametrize("name", REWINDS)
def test_superseded_events_are_hidden_by_default(name: str) -> None:
    rewinds, expected = REWINDS[name]
    lines = [start(), *(line(seq, "x", {"step": seq}) for seq in (2, 3, 4))]
    lines += [line(seq, "mlv/rewind", {"to": to}) for seq, to in rewinds]
    last = len(lines) + 1
    run = log(*lines, line(last, "x", {"step": last}))
    assert [event.seq for event in run.events()] == [*expected, last]
    assert [event.seq for event in run.events(rewound=True)] == [2, 3, 4, last]
    assert run.metric("x", "step")[1] == [*expected, last]
    lifecycle = names(run.events(lifecycle=True))
    assert lifecycle.count("mlv/rewind") == len(rewinds) and lifecycle[0] == "mlv/start"


@pytest.mark.slow
@pytest.mark.rule("reader.rewind")
def test_overlapping_rewinds_in_any_order_hide_what_each_of_them_hides() -> None:
    rng = random.Random(12)
    for _ in range(300):
        lines = [start()]
        for _ in range(rng.randrange(1, 25)):
            seq = rng.randrange(1, 12)
            rewind = ("mlv/rewind", {"to": rng.choice([-1, float(rng.randrange(12)), rng.randrange(14)])})
            lines.append(line(seq, *rng.choice([rewind, ("x", {"step": seq, "y": 1})])))
        run = log(*lines)
        everything = list(run.events(rewound=True, lifecycle=True))
        ranges = [(event.data["to"], event.seq) for event in everything if event.name == "mlv/rewind"]
        users = [event for event in everything if not event.name.startswith("mlv/")]
        left = [event for event in users if not any(to < event.seq < before for to, before in ranges)]
        assert list(run.events()) == left, lines
        assert run.metric("x", "y")[0] == [event.seq for event in left], lines


def rewinds(kind: str, count: int) -> Iterator[bytes]:
    """About *count* lines, half of them rewinds."""
    half = count // 2
    yield start()
    if kind == "each undoes the event before":
        for seq in range(2, count, 2):
            yield line(seq, "x", {"y": seq})
            yield line(seq + 1, "mlv/rewind", {"to": seq - 1})
    elif kind == "all to an early mark":
        for seq in range(2, count, 2):
            yield line(seq, "x", {"y": seq})
            yield line(seq + 1, "mlv/rewind", {"to": 1})
    else:
        for seq in range(2, half):
            yield line(seq, "x", {"y": seq}, span="begin")
        for seq in range(half, count):
            to = {"ever later": seq - half, "ever earlier": count - seq, "to nothing before": seq - 1}[kind]
            yield line(seq, "mlv/rewind", {"to": to})


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    ["each undoes the event before", "all to an early mark", "ever later", "ever earlier", "to nothing before"],
)
def test_time_grows_with_the_lines_not_with_rewinds_times_lines(kind: str) -> None:
    """Four times the lines may take eight times as long; compared each with each they would take sixteen times."""
    reads: list[Callable[[Experiment], Any]] = [
        lambda run: [*run.events()],
        lambda run: run.metric("**", "y"),
    ]
    runs = {}
    for count in (5_000, 20_000):
        Exp("runs", f"{count}").close()
        Path(f"runs/{count}/log.jsonl").write_bytes(b"".join(rewinds(kind, count)))
        runs[count] = read(f"runs/{count}")
    for look in reads:
        times: dict[int, list[float]] = {count: [] for count in runs}
        for _ in range(3):
            for count, run in runs.items():
                begin = time.process_time()
                look(run)
                times[count].append(time.process_time() - begin)
        assert min(times[20_000]) < 8 * min(times[5_000]), (look, times)


@pytest.mark.rule("reader.order")
def test_events_are_in_the_order_of_their_lines_whatever_their_times(exp: Exp) -> None:
    lines = [start(), line(2, "a"), line(3, "b"), line(4, "c")]
    lines[2] = lines[2].replace(b"2026", b"1999")
    assert [(event.name, event.line) for event in log(*lines).events()] == [("a", 2), ("b", 3), ("c", 4)]


PATTERNS = {
    "**": ["a", "a/b", "a/b/c", "b", "ab/c", "a.b/c"],
    "a": ["a"],
    "a/b": ["a/b"],
    "*": ["a", "b"],
    "*/*": ["a/b", "ab/c", "a.b/c"],
    "a/**": ["a", "a/b", "a/b/c"],
    "**/c": ["a/b/c", "ab/c", "a.b/c"],
    "**/b/**": ["a/b", "a/b/c", "b"],
    "a*/c": ["ab/c", "a.b/c"],
    "?": ["a", "b"],
    "a?/c": ["ab/c"],
    "a.b/*": ["a.b/c"],
    "[ab]": [],
    "": [],
    "mlv/**": [],
}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_matches_segment_by_segment(pattern: str) -> None:
    written = PATTERNS["**"]
    run = log(start(), *(line(seq, name) for seq, name in enumerate(written, 2)))
    assert names(run.events(pattern)) == PATTERNS[pattern]
    assert names(run.events("mlv/*", lifecycle=True)) == ["mlv/start"]


def test_spans_are_trees(exp: Exp) -> None:
    with exp.log.span("epoch", n=0) as epoch:
        epoch.event("batch", loss=1)
        with epoch.span("val") as val:
            val.event("accuracy")
        epoch.end(loss=0.5, n=99)
    unfinished = exp.log.span("epoch", n=1)
    unfinished.event("batch")
    exp.log.event("outside")
    one, two = read(HOME).spans("epoch")
    assert (one.name, one.data, one.seconds is not None) == ("epoch", {"n": 0, "loss": 0.5}, True)
    assert [child.name for child in one.children] == ["epoch/batch", "epoch/val"]
    assert [event.name for event in one.children[1].children] == ["epoch/val/accuracy"]  # type: ignore[union-attr]
    assert (two.end, two.seconds, two.data, [child.name for child in two.children]) == (
        None,
        None,
        {"n": 1},
        ["epoch/batch"],
    )
    assert [tree.name for tree in read(HOME).spans()] == ["epoch", "epoch/val", "epoch"]
    assert [tree.name for tree in read(HOME).spans("**/val")] == ["epoch/val"]


def test_a_metric_is_every_number_with_its_step() -> None:
    typed = {"_mlv": "int", "value": str(2**60)}
    nan = {"_mlv": "float", "value": "nan"}
    values: list[Any] = [{"step": 5, "loss": 1}, {"step": 3, "loss": 0.5}, {"loss": nan}, {"loss": typed, "step": True}]
    values += [
        {"loss": True},
        {"loss": "1"},
        {"loss": None},
        {"loss": [1]},
        {"other": 1},
        {"step": typed, "loss": -0.0},
        {"step": 20.0, "loss": 2},
        {"step": 2.5, "loss": 3},
    ]
    run = log(start(), *(line(seq, "x", data) for seq, data in enumerate(values, 2)))
    steps, series = run.metric("x", "loss")
    assert steps == [5, 3, 2, 3, 2**60, 20, 6], "a number without a fraction is an integer, however it is spelled"
    assert [type(step) for step in steps] == [int] * 7
    assert [repr(value) for value in series] == ["1", "0.5", "nan", str(2**60), "-0.0", "2", "3"]
    assert run.metric_names() == [("x", "loss"), ("x", "other")]


@pytest.mark.parametrize("rewinds", [False, True])
def test_a_metric_that_does_not_exist_is_a_warning_with_those_that_do(exp: Exp, rewinds: bool) -> None:
    exp.log.event("train", loss=1, accuracy=0.5, note="0.5")
    if rewinds:
        mark = exp.mark()
        exp.log.event("train", superseded=1)
        exp.rewind(mark)
    for number in range(3):
        exp.log.event("train", loss=2 + number, accuracy=0.5, note="0.5")
    exp.log.event("val", loss=float("nan"))
    exp.stream("gpu").event("memory", used=1)
    exp.flush()
    run = read(exp.path)
    assert run.metric_names() == [("train", "loss"), ("train", "accuracy"), ("val", "loss")]
    assert run.metric_names(stream="gpu") == [("memory", "used")]
    known = r"Choose one of the events and metrics: \('train', 'loss'\), \('train', 'accuracy'\), \('val', 'loss'\)\."
    for pattern, name in (("val", "nosuch"), ("nosuch", "loss"), ("train", "superseded")):
        message = rf"^runs/e: no event of log\.jsonl that matches '{pattern}' has a metric '{name}'\. {known}$"
        with pytest.warns(RuntimeWarning, match=message):
            assert run.metric(pattern, name) == ([], [])
    with pytest.warns(RuntimeWarning, match="a metric 'note'. The member has other values, such as '0.5'. Log numbers"):
        assert run.metric("train", "note") == ([], [])
    with pytest.warns(RuntimeWarning, match=r"'loss'\. Choose one of the events and metrics: \('memory', 'used'\)\.$"):
        assert run.metric("**", "loss", stream="gpu") == ([], [])


def test_a_log_without_metrics_has_no_name_that_could_be_wrong(exp: Exp) -> None:
    exp.log.event("train", text="x")
    exp.flush()
    assert (read(exp.path).metric("train", "loss"), read(exp.path).metric_names()) == (([], []), [])


@pytest.mark.parametrize("call", [read, lambda path: list(read.all(path))])
def test_a_path_that_does_not_exist_is_reported_as_such(call: Callable[[str], Any]) -> None:
    with pytest.raises(FileNotFoundError, match="^'?runs/missing'? does not exist. Pass "):
        call("runs/missing")
    Path("file").write_text("x")
    with pytest.raises(FileNotFoundError, match="^'?file'? isn't a directory. Pass "):
        call("file")


IMPOSSIBLE = {
    "a\0b": r"'a\\x00b.*': the path has a NUL character\. ",
    "a\ud800b": r"'a\\ud800b.*': the path has a lone surrogate\. ",
    "x" * 5000: "'x{99}…: the path is longer than the system allows\\. ",
    "/".join(["x" * 200] * 25): "'x{99}…: the path is longer than the system allows\\. ",
}


@pytest.mark.parametrize("path", IMPOSSIBLE, ids=["nul", "surrogate", "long name", "long"])
def test_a_path_that_no_file_can_have_is_an_error_of_the_documented_class_that_says_so(exp: Exp, path: str) -> None:
    calls: dict[type[OSError], list[Callable[[str], Any]]] = {
        NotAnExperiment: [read, Exp.resume, Exp.open, lambda path: Exp.join(path, 0)],
        FileNotFoundError: [
            lambda path: list(read.all(path)),
            lambda path: list(find(path)),
            unfollowed_links,
            Exp.find,
            exp.attach,
            lambda path: exp.attach(path, how="hardlink"),
            exp.ref,
            read(exp.path).ref,
            ref,
        ],
        OSError: [
            lambda path: Exp(path, "name"),
            lambda path: Exp(path, "name", exists="number"),
            Logger,
            lambda path: Logger(path, exists="error"),
        ],
    }
    for kind, functions in calls.items():
        for function in functions:
            with pytest.raises(kind, match="^" + IMPOSSIBLE[path] + "(Pass|Give)"):
                function(path)
    assert os.listdir(".") == ["runs"] and os.listdir("runs") == ["e"]


def test_a_directory_of_experiments_is_reported_as_such(exp: Exp) -> None:
    with pytest.raises(
        NotAnExperiment, match=r"^runs isn't an experiment: it has no meta.json\..*use read.all\(path\)"
    ):
        read("runs")


def test_a_notebook_shows_metrics_of_one_spelling_apart(exp: Exp) -> None:
    exp.log.event("a.b", c=1)
    exp.log.event("a", {"b.c": 2})
    exp.flush()
    html = read(exp.path)._repr_html_()
    assert (html.count(">a.b.c<"), html.count(">&quot;a.b&quot;.c<")) == (1, 1)


def test_a_notebook_shows_the_unit_of_a_metric(exp: Exp) -> None:
    exp.define_metric("loss", unit="<nat>")
    exp.define_metric("loss", event="val", direction="minimize")
    exp.log.event("train", loss=1)
    exp.log.event("val", loss=1)
    exp.stream("gpu").event("memory", loss=1)
    exp.flush()
    html = read(exp.path)._repr_html_()
    labels = ["train.loss (&lt;nat&gt;)", "val.loss", "memory.loss (&lt;nat&gt;) (log/gpu.jsonl)"]
    assert [label for label in labels if f">{label}<" in html] == labels


def test_a_notebook_counts_the_problems_that_it_leaves_out(exp: Exp) -> None:
    exp.close()
    with (exp.path / "log.jsonl").open("ab") as file:
        file.write(b"garbage\n" * 7)
    assert "2 more problems are left out." in read(exp.path)._repr_html_()


@pytest.mark.parametrize("values", [(1.7e308, -1.7e308), (1e-320, 2e-320)])
def test_a_notebook_draws_any_finite_values(exp: Exp, values: tuple[float, float]) -> None:
    for value in values:
        exp.log.event("t", y=value)
    exp.flush()
    (path,) = re.findall('<path d="([^"]*)"', read(exp.path)._repr_html_())
    assert sorted(re.findall(r"[ML][\d.]+ ([\d.]+)", path)) == ["2.0", "26.0"] and "nan" not in path


GARBLED = {
    "not-json": b"{garbled\n",
    "empty": b"\n",
    "blanks": b"  \n",
    "not-utf-8": b'{"seq":3,"\xff":1}\n',
    "array": b"[1]\n",
    "no-seq": b'{"time":"2026-11-22T18:24:00.000000Z","event":"x","data":{}}\n',
    "seq-text": line(3, "x").replace(b"3", b'"3"', 1),
    "seq-bool": line(3, "x").replace(b"3", b"true", 1),
    "no-data": b'{"seq":3,"time":"2026-11-22T18:24:00.000000Z","event":"x"}\n',
    "data-array": line(3, "x").replace(b"{}", b"[]"),
    "data-typed": line(3, "x", {"_mlv": "float", "value": "nan"}),
    "name-number": line(3, "x").replace(b'"x"', b"5"),
    "time": line(3, "x").replace(NOW.encode(), b"yesterday"),
    "time-number": line(3, "x").replace(b'"' + NOW.encode() + b'"', b"5"),
    "nan": line(3, "x", {"a": math.nan}),
    "infinity": line(3, "x", {"a": -math.inf}),
    "1e400": line(3, "x").replace(b"{}", b'{"a":1e400}'),
    "digits": line(3, "x").replace(b"{}", b'{"a":' + b"1" * 5000 + b"}"),
    "deep": line(3, "x").replace(b"{}", b'{"a":' + b"[" * 10**5 + b"]" * 10**5 + b"}"),
    "deep-for-python": line(3, "x").replace(b"{}", b'{"a":' + b"[" * 700 + b"]" * 700 + b"}"),
    "bom": b"\xef\xbb\xbf" + line(3, "x"),
    "glued": line(3, "x")[:-20] + line(4, "x"),
    "zeros": bytes(100) + b"\n",
    "too-long": b"x" * (2**24 + 1) + b"\n",
    "within-list": line(3, "x", within=[1]),
    "begin-object": line(3, "x", span="end", begin={}, seconds=1),
}


def test_without_steps_the_events_of_each_name_that_have_the_metric_are_counted() -> None:
    run = log(start(), *(line(seq, name, {"loss": seq}) for seq, name in enumerate(["a", "b", "a", "b"], 2)))
    assert run.metric("*", "loss") == ([0, 0, 1, 1], [2, 3, 4, 5])


@pytest.mark.slow
def test_a_line_of_16_mib_is_read_and_one_of_a_byte_more_is_not() -> None:
    empty = len(line(2, "x", {"text": ""}))
    longest = line(2, "x", {"text": "y" * (2**24 - empty)})
    assert len(longest) == 2**24
    run = log(start(), longest, line(3, "z", {"text": "y" * (2**24 - empty + 1)}))
    assert names(run.events()) == ["x"]
    assert [(problem.line, problem.message) for problem in run.problems] == [
        (3, "the line is longer than 16 MiB and was left out")
    ]


@pytest.mark.rule("reader.garbled-told")
@pytest.mark.rule("reader.garbled")
@pytest.mark.parametrize("kind", GARBLED)
def test_a_line_that_cannot_be_read_is_skipped_and_reported(kind: str) -> None:
    run = log(start(), line(2, "a", span="begin"), GARBLED[kind], line(4, "b", within=2), end(5))
    assert names(run.events()) == ["a", "b"]
    assert [(problem.path, problem.line) for problem in run.problems] == [("log.jsonl", 3)]
    problem = run.problems[0]
    assert isinstance(problem, Problem) and str(problem).startswith("log.jsonl:3: the line ")
    assert len(str(problem)) < 400
    assert run.state == "completed"
    assert [len(tree.children) for tree in run.spans()] == [1]
    assert len(run.problems) == 1


@pytest.mark.rule("reader.torn")
@pytest.mark.parametrize("tail", [b"x", line(3, "x")[:-1], b"\x00" * 100, b'{"seq":', bytes(2**24 + 100)])
def test_bytes_after_the_last_line_feed_are_not_part_of_the_log(tail: bytes) -> None:
    run = log(start(), line(2, "a"), tail)
    assert names(run.events()) == ["a"] and run.problems == []
    assert run.state == "open"
    last = "byte has no line feed after it and isn't"
    if len(tail) > 1:
        last = f"{len(tail)} bytes have no line feed after them and aren't"
    assert [str(torn) for torn in run.torn.values()] == [f"log.jsonl: the last {last} part of the log"]
    assert f"the last {last.split()[0]}" in run._repr_html_()
    LOG.write_bytes(start() + line(2, "a"))
    assert run.state == "open" and run.torn == {}
    assert list(log(b"torn").events()) == []


@pytest.mark.rule("reader.unknown")
@pytest.mark.rule("reader.newer")
def test_a_newer_minor_version_is_read() -> None:
    lines = [
        start(version="1.10", new=1),
        line(2, "x", {"a": {"_mlv": "tensor", "value": [1]}}, checked=True),
        line(3, "mlv/checkpoint", {"a": 1}),
        line(4, "y"),
    ]
    run = log(*lines)
    assert [(event.name, event.data) for event in run.events()] == [
        ("x", {"a": Opaque({"_mlv": "tensor", "value": [1]})}),
        ("y", {}),
    ]
    meta = json.loads((HOME / "meta.json").read_bytes())
    (HOME / "meta.json").write_text(json.dumps({**meta, "mlv": "1.99", "colour": "blue"}))
    assert read(HOME).name == "e" and run.problems == []


@pytest.mark.rule("reader.refused-told")
@pytest.mark.rule("reader.major")
@pytest.mark.rule("reader.requires")
@pytest.mark.parametrize("members", [{"version": "2.0"}, {"version": "11.0"}, {"requires": ["chunks"]}])
def test_a_stream_is_refused_from_a_session_of_an_unknown_version_on(members: Any) -> None:
    run = log(start(), line(2, "a"), start(3, **members), line(4, "b"))
    found: list[Any] = []
    with pytest.raises(UnsupportedVersion, match=r"the session on line 3 of runs/e/log\.jsonl"):
        found.extend(event.name for event in run.events())
    assert found in ([], ["a"])
    for ask in (lambda: run.state, lambda: run.metric("a", "x"), lambda: list(run.spans())):
        with pytest.raises(UnsupportedVersion):
            ask()


@pytest.mark.rule("reader.opaque")
def test_an_unknown_type_in_an_event_is_kept() -> None:
    tensor = {"_mlv": "com.example.tensor", "value": {"__mlv": {"_mlv": "float", "value": "nan"}}}
    assert [event.data for event in log(start(), line(2, "x", {"t": [tensor]})).events()] == [{"t": [Opaque(tensor)]}]


@pytest.mark.rule("reader.unescape")
@pytest.mark.rule("writer.escape")
def test_keys_of_the_user_are_read_back_unchanged(exp: Exp) -> None:
    data = {"_mlv": "float", "__mlv": {"_mlv": [1]}, "value": "nan"}
    exp.log.event("x", data)
    assert [event.data for event in read(HOME).events()] == [data]
    Exp("runs", "f", data).close()
    assert read("runs/f").params == data


def test_lifecycle_events_are_returned_on_request(exp: Exp) -> None:
    exp.log.event("x")
    run = read(HOME)
    assert names(run.events()) == ["x"] and names(run.events(lifecycle=True)) == ["mlv/start", "x"]
    first = next(run.events("mlv/start", lifecycle=True))
    assert first.data["experiment"] == run.id and first.data["record"]["number"] == 1


def test_a_stream_is_selected_by_its_short_name_or_its_path(exp: Exp) -> None:
    exp.stream("gpu").event("x")
    exp.stream("a.b").event("y")
    (HOME / "log/notes.txt").write_text("mine")
    (HOME / "log/my log.jsonl").write_text("mine")
    (HOME / "log/B.JSONL").write_text("mine")
    (HOME / "log/con.jsonl").write_text("mine")
    (HOME / "log/.hidden.jsonl").write_text("mine")
    (HOME / "log/d.jsonl").mkdir()
    run = read(HOME)
    assert run.streams == ["log.jsonl", "log/a.b.jsonl", "log/gpu.jsonl"]
    assert names(run.events(stream="gpu")) == names(run.events(stream="log/gpu.jsonl")) == ["x"]
    assert names(run.events(stream="a.b")) == ["y"] and names(run.events(stream="log.jsonl")) == []
    for stream in ("missing", "log/missing.jsonl", "../log", "log/../log.jsonl", "con", "my log", ""):
        with pytest.raises(FileNotFoundError, match=r"runs/e has no stream .* It has: log\.jsonl, log/a\.b"):
            list(run.events(stream=stream))


@pytest.mark.rule("reader.links")
def test_links_below_the_experiment_are_not_followed() -> None:
    Exp("runs", "e").close()
    with Exp("runs", "other", {"theirs": 1}) as other:
        other.stream("gpu").event("x")
    Exp.open("runs/other", {"more": 1}).close()
    for name in ("meta", "log", "sub"):
        (HOME / name).symlink_to(Path("runs/other" if name == "sub" else f"runs/other/{name}").resolve())
    run = read(HOME)
    assert (len(run.records), run.params, run.streams) == (1, {}, ["log.jsonl"])
    with pytest.warns(RuntimeWarning, match="^1 symbolic link isn't followed and may lead to experiments outside"):
        assert list(run.subs()) == []
    with pytest.raises(FileNotFoundError):
        list(run.events(stream="gpu"))
    assert [found.path.name for found in read.all("runs")] == ["e", "other"]

    LOG.unlink()
    LOG.symlink_to(Path("runs/other/log.jsonl").resolve())
    run = read(HOME)
    assert (run.state, run.streams, list(run.events(lifecycle=True))) == ("open", [], [])
    assert [problem.path for problem in run.problems] == ["meta", "log.jsonl", "log"]

    (HOME / "meta.json").unlink()
    (HOME / "meta.json").symlink_to(Path("runs/other/meta.json").resolve())
    with pytest.raises((NotAnExperiment, InvalidRecord, OSError)):
        read(HOME)
    (HOME / "meta").unlink()
    (HOME / "meta").mkdir()
    with pytest.warns(RuntimeWarning, match="^left out: .*runs/e/meta.json"):
        assert [found.path.name for found in read.all("runs")] == ["other"]


@pytest.mark.rule("reader.links")
@pytest.mark.parametrize("kind", ["link", "other"])
@pytest.mark.parametrize(
    ("name", "left_out"),
    [
        ("meta", "the additions in it were left out"),
        ("log", "the streams in it were left out"),
        ("log.jsonl", "its events were left out"),
        ("log/gpu.jsonl", "its events were left out"),
    ],
)
def test_an_entry_of_another_type_is_a_problem_at_once(name: str, left_out: str, kind: str) -> None:
    with Exp("runs", "e") as exp:
        exp.stream("gpu").event("x")
    Exp.open(HOME, tags=["t"]).close()
    assert read(HOME).problems == []
    (HOME / name).rename("moved")
    if kind == "link":
        (HOME / name).symlink_to(Path("moved").resolve())
        what = "it is a symbolic link, which is not followed"
    elif "." in name:
        (HOME / name).mkdir()
        what = "it isn't a regular file"
    else:
        (HOME / name).write_bytes(b"")
        what = "it isn't a directory"
    for run in (read(HOME), *read.all("runs")):
        expected = [f"{name}: {what}; {left_out}"]
        assert [str(problem) for problem in run.problems] == expected
        assert run.state == ("open" if name == "log.jsonl" else "completed")
        list(run.events())
        assert [str(problem) for problem in run.problems] == expected


def test_the_state_is_not_open_if_the_log_cannot_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    Exp("runs", "e").close()
    run = read(HOME)

    def refuse(path: Path) -> Any:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr("mlvlogger._read.experiment.open_regular", refuse)  # root, who may run this, reads every file
    with pytest.raises(PermissionError, match=r"log\.jsonl"):
        assert run.state
    assert list(run.events()) == [] and [problem.path for problem in run.problems] == ["log.jsonl"]
    LOG.unlink()
    monkeypatch.undo()
    assert run.state == "open"


@pytest.mark.parametrize("kind", ["directory", "fifo"])
def test_a_log_that_is_not_a_file_is_a_problem(kind: str, descriptors: Any) -> None:
    Exp("runs", "e").close()
    LOG.unlink()
    LOG.mkdir() if kind == "directory" else os.mkfifo(LOG)
    before = descriptors()
    run = read(HOME)
    assert (run.state, list(run.events())) == ("open", [])
    assert [problem.path for problem in run.problems] == ["log.jsonl"]
    assert descriptors() <= before, "a descriptor leaked"


@pytest.mark.rule("reader.strays")
def test_damaged_additions_are_reported_and_the_rest_is_read() -> None:
    Exp("runs", "e", {"a": 1}).close()
    for number in range(2, 6):
        Exp.open(HOME, {f"p{number}": number}).close()
    (HOME / "meta/3.json").write_bytes(b"{")
    (HOME / "meta/02.json").write_bytes(b"{")
    run = read(HOME)
    assert run.params["a"] == 1 and run.params["p2"] == 2 and "p3" not in run.params
    assert run.problems[0].path == "meta/3.json" and all(problem.line is None for problem in run.problems)
    (HOME / "meta/2.json").unlink()
    run = read(HOME)
    assert run.params == {"a": 1} and [problem.path for problem in run.problems] == [
        "meta/3.json",
        "meta/4.json",
        "meta/5.json",
    ]


@pytest.mark.rule("reader.major")
def test_an_addition_after_a_gap_of_an_unknown_version_is_refused() -> None:
    Exp("runs", "e", {"a": 1}).close()
    for number in (2, 3):
        Exp.open(HOME, {f"p{number}": number}).close()
    (HOME / "meta/2.json").unlink()
    path = HOME / "meta/3.json"
    path.write_text(path.read_text().replace('"mlv": "1.0"', '"mlv": "2.0"'))
    with pytest.raises(UnsupportedVersion, match=r"meta/3\.json is of MLV version '2\.0'"):
        read(HOME)


def test_a_name_that_occurs_twice_keeps_its_earlier_value_and_is_reported() -> None:
    Exp("runs", "e", {"a": 1}, tags=["t"]).close()
    Exp.open(HOME, {"b": 2}).close()
    record = json.loads((HOME / "meta/2.json").read_bytes())
    (HOME / "meta/2.json").write_text(json.dumps({**record, "params": {"a": 9, "c": 3}, "tags": ["t", "u"]}))
    run = read(HOME)
    assert (run.params, run.tags) == ({"a": 1, "c": 3}, ["t", "u"])
    assert [str(problem) for problem in run.problems] == [
        "meta/2.json: params has the name 'a' again; the earlier value holds"
    ]


BROKEN_META = {
    "damaged": b"{",
    "array": b"[]",
    "deep": b'{"mlv":"1.0","name":"x","params":{"a":' + b"[" * 10**5 + b"]" * 10**5 + b"}}",
    "deep-for-python": b'{"mlv":"1.0","name":"x","params":{"a":' + b"[" * 700 + b"]" * 700 + b"}}",
    "version": b'{"mlv":"2.0","name":"x","params":{}}',
    "version-odd": b'{"mlv":"one","name":"x","params":{}}',
    "requires": b'{"mlv":"1.0","name":"x","params":{},"requires":["y"]}',
    "no-params": b'{"mlv":"1.0","name":"x"}',
    "not-utf-8": b'{"mlv":"1.0","name":"\xff","params":{}}',
    "digits": b'{"mlv":"1.0","name":"x","params":{"a":' + b"1" * 5000 + b"}}",
}


def test_read_all_skips_broken_experiments_with_a_warning(exp: Exp) -> None:
    Exp(HOME / "deep/er", "inner").close()
    for name, data in BROKEN_META.items():
        Path("runs", name).mkdir()
        Path("runs", name, "meta.json").write_bytes(data)
    Path("runs/foreign").mkdir()
    Path("runs/foreign/meta.json").write_text("{}")
    Path("runs/fifo").mkdir()
    os.mkfifo("runs/fifo/meta.json")
    Path("runs/loop").symlink_to(".")
    Path("runs/e/files/x").mkdir(parents=True)
    Path("runs/e/files/x/meta.json").write_bytes((HOME / "meta.json").read_bytes())
    Exp("runs/z", "last").close()
    with pytest.warns(RuntimeWarning) as warned:
        found = [str(run.path) for run in read.all("runs")]
    assert found == ["runs/e", "runs/e/deep/er/inner", "runs/z/last"]
    errors = [str(one.error) for one in find("runs") if one.error is not None]
    assert [str(warning.message) for warning in warned] == [f"left out: {error}" for error in errors]
    for name in BROKEN_META:
        assert any(f"runs/{name}/meta.json" in error for error in errors), name
    (HOME / "deep/er/broken").mkdir()
    (HOME / "deep/er/broken/meta.json").write_bytes(b"[]")
    with pytest.warns(RuntimeWarning, match="^left out: runs/e/deep/er/broken/meta.json is damaged"):
        assert [run.name for run in read(HOME).subs()] == ["inner"]
    with pytest.raises(FileNotFoundError):
        list(read.all("missing"))


def test_types_that_are_broken_in_a_meta_record_do_not_break_the_reader() -> None:
    HOME.mkdir(parents=True)
    odd = {
        "kind": 5,
        "created": "now",
        "tags": [1, "a", "a"],
        "description": 5,
        "extra": [1],
        "parent": 5,
        "environment": [],
    }
    (HOME / "meta.json").write_text(json.dumps({"mlv": "1.0", "name": "x", "params": {"a": 1}, **odd}))
    run = read(HOME)
    assert (run.params, run.extra, run.tags, run.descriptions) == ({"a": 1}, {}, ["a"], [])
    assert (run.environments, run.parent, run.created, run.state) == ([{}], None, None, "open")
    (HOME / "meta.json").write_text(
        json.dumps({"mlv": "1.0", "name": "x", "params": {"_mlv": "float", "value": "nan"}})
    )
    try:
        assert isinstance(read(HOME).params, dict)
    except InvalidRecord:
        pass


def test_a_run_is_read_while_another_process_writes_it(begin: Callable[..., Any]) -> None:
    code = program("reading_while_written")
    writer = begin(code)
    assert writer.stdout.readline() == "ready\n"
    run = read(HOME)
    seen, counts = 0, []
    while seen < 20_000:
        numbers = [event.data["number"] for event in run.events("x")]
        assert numbers == list(range(len(numbers))) and len(numbers) >= seen
        seen = len(numbers)
        counts.append(seen)
        assert run.state == "open"
    assert run.problems == []
    writer.communicate("\n")
    assert run.state == "completed"


@pytest.mark.rule("reader.lock")
def test_reading_changes_nothing_and_takes_no_lock(exp: Exp) -> None:
    exp.log.event("x")

    def state() -> dict[str, Any]:
        return {
            str(path): (path.stat().st_mtime_ns, path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest())
            for path in Path("runs").rglob("*")
        }

    before = state()
    for run in read.all("runs"):
        list(run.events()), list(run.spans()), run.state, run.metric("x", "y"), list(run.subs())
    assert state() == before
    assert exp.log.event("y") == 3


@pytest.mark.slow
def test_a_hundred_thousand_events_are_read_in_flat_memory() -> None:
    lines = [line(seq, "x", {"step": seq, "text": "y" * 50}) for seq in range(2, 100_002)]
    run = log(start(), *lines, line(100_002, "mlv/rewind", {"to": 100_000}))
    del lines
    events = run.events("x")
    count, peaks = 0, []
    for traced, part in ((True, 5_000), (False, 90_000), (True, 5_000)):  # tracing is slow
        if traced:
            tracemalloc.start()
        count += sum(1 for _ in itertools.islice(events, part))
        if traced:
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert count == 99_999 and max(peaks) < 2**20, f"{peaks} bytes at the peak"


@pytest.mark.parametrize(
    "data",
    [
        '{"x":1,"x":1}',
        '{"x":1,"\\u0078":2}',
        '{"x":{"y":1,"y":2}}',
        '{"x":9007199254740992}',
        '{"x":-9007199254740992}',
        '{"x":"\\ud800"}',
        '{"\\uDFFF":1}',
        '{"x":\r1}',
    ],
)
def test_a_line_that_breaks_a_rule_of_bytes_or_json_is_skipped(data: str) -> None:
    garbled = f'{{"seq":2,"time":"2026-11-22T18:24:00.000000Z","event":"x","data":{data}}}\n'
    run = log(start(), garbled.encode(), line(3, "x"))
    assert [event.seq for event in run.events("x")] == [3]
    assert [problem.line for problem in run.problems] == [2]


def test_one_line_is_read_as_the_same_line_of_a_stream() -> None:
    with Exp("runs", "e") as exp:
        exp.log.event("batch", step=1, loss=math.inf)
    lines = (exp.path / "log.jsonl").read_bytes().splitlines()
    events = read(exp.path).events(lifecycle=True)
    for line, event in zip(lines, events, strict=True):
        alone = read.event(line)
        assert (alone.stream, alone.line) == ("", 0)
        assert (alone.seq, alone.time, alone.name, alone.data) == (event.seq, event.time, event.name, event.data)


@pytest.mark.parametrize("line", [b"", b"[]", b'{"seq":1', b'{"a":1,"a":2}', b'{"seq":NaN}', b"\xff", b"[" * 10**6])
def test_a_line_that_is_not_an_event_is_refused_with_the_reason(line: bytes) -> None:
    with pytest.raises(InvalidRecord, match="the line isn't an event"):
        read.event(line)


@pytest.mark.rule("reader.major")
def test_a_session_of_an_unknown_version_is_refused_whatever_its_time_looks_like() -> None:
    later = start(3, "2.0").replace(NOW.encode(), b"day 7")
    experiment = log(start(), line(2, "x"), later, line(4, "x"))
    with pytest.raises(UnsupportedVersion, match="the session on line 3"):
        list(experiment.events())
    # One of this version is a line that isn't an event.
    assert len(list(log(start(), line(2, "x"), start(3).replace(NOW.encode(), b"day 7")).events())) == 1
