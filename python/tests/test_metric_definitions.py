"""Definitions of metrics: what the logger records of them, and what the reader makes of it."""

import json
import math
import os
import threading
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from mlvlogger import Exp, InvalidName, LogClosed, Logger, MetricDefinition, read

HOME = Path("runs/e")


def defined(path: Path = HOME / "log.jsonl") -> list[dict[str, Any]]:
    """The data of each `mlv/metric` of a stream."""
    events = map(json.loads, path.read_bytes().splitlines())
    return [event["data"] for event in events if event["event"] == "mlv/metric"]


@pytest.mark.rule("reader.definition")
@pytest.mark.parametrize("writer", ["direct", "process"])
def test_a_definition_is_an_event_of_the_stream(writer: str, conforms: Any) -> None:
    with Exp("runs", "e", writer=writer) as exp:
        assert exp.define_metric("loss", direction="minimize") == 2
        full = {"direction": "maximize", "unit": "%", "description": "Top-1.", "axis": "epoch"}
        assert exp.define_metric("accuracy", event="val", **full) == 3
        assert exp.log.event("val", epoch=1, accuracy=81.5, loss=0.5) == 4
        exp.stream("gpu").define_metric("power", unit="W")
    conforms(HOME)
    assert defined() == [
        {"metric": "loss", "direction": "minimize"},
        {"metric": "accuracy", "event": "val", **full},
    ]
    definitions = read(HOME).metric_definitions()
    assert list(definitions) == [
        MetricDefinition("loss", direction="minimize"),
        MetricDefinition("accuracy", "val", "maximize", "%", "Top-1.", "epoch"),
    ]
    assert definitions.of("other", "accuracy") is None
    assert [one.metric for one in read(HOME).metric_definitions(stream="gpu")] == ["power", "loss", "accuracy"]


def test_the_event_is_below_the_path_of_the_logger() -> None:
    with Exp("runs", "e") as exp, exp.log.span("epoch") as epoch:
        epoch.sub("val").define_metric("loss", event="end")
        epoch.define_metric("loss")
    assert [data.get("event") for data in defined()] == ["epoch/val/end", None]


def test_a_bare_log_has_definitions(conforms: Any) -> None:
    with Logger("x.jsonl") as log:
        assert log.define_metric("loss", direction="minimize") == 2
    assert defined(Path("x.jsonl")) == [{"metric": "loss", "direction": "minimize"}]


def test_repeated_calls_write_only_news_and_add_to_the_definition() -> None:
    with Exp("runs", "e") as exp:
        assert exp.define_metric("loss", direction="minimize") == 2
        assert exp.log.sub("a").define_metric("loss", direction="minimize") == 2
        assert exp.define_metric("loss", unit="nat") == 3
        assert exp.define_metric("loss") == 3
        assert exp.define_metric("loss", direction="maximize") == 4
        assert exp.define_metric("loss", event="val", axis="epoch") == 5
    assert defined() == [
        {"metric": "loss", "direction": "minimize"},
        {"metric": "loss", "direction": "minimize", "unit": "nat"},
        {"metric": "loss", "direction": "maximize", "unit": "nat"},
        {"metric": "loss", "event": "val", "axis": "epoch"},
    ]


def test_a_resumed_script_may_repeat_its_definitions(conforms: Any) -> None:
    for step in range(2):
        with Exp("runs", "e") if step == 0 else Exp.resume("runs/e") as exp:
            exp.define_metric("loss", direction="minimize")
            exp.log.event("val", loss=step)
    conforms(HOME)
    assert len(defined()) == 2
    best = read(HOME).best("val", "loss")
    assert best is not None and best.data["loss"] == 0


def test_a_rewind_leaves_definitions(conforms: Any) -> None:
    with Exp("runs", "e") as exp:
        mark = exp.mark()
        exp.log.event("val", loss=1)
        exp.define_metric("loss", direction="minimize")
        exp.rewind(mark)
        exp.log.event("val", loss=2)
        assert exp.define_metric("loss", direction="minimize") == 3
    best = read(HOME).best("val", "loss")
    assert best is not None and best.data["loss"] == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="not applicable: this system has no fork")
@pytest.mark.parametrize("stream", ["log", "gpu"])
def test_a_forked_child_defines_in_its_own_stream(stream: str, conforms: Any) -> None:
    """What the parent defined in log.jsonl holds for the child, too; what it defined elsewhere is written again."""
    with Exp("runs", "e") as exp:
        logger = exp.log if stream == "log" else exp.stream("gpu")
        logger.define_metric("loss", direction="minimize")
        if not (child := os.fork()):
            try:
                logger.define_metric("loss", direction="minimize")
                logger.define_metric("loss", unit="nat")
                logger.event("val", loss=1)
                exp.close()
            finally:
                os._exit(0)
        os.waitpid(child, 0)
    conforms(HOME)
    whole = {"metric": "loss", "direction": "minimize", "unit": "nat"}
    assert defined(HOME / "log/fork-1.jsonl") == [whole] if stream == "log" else [{"metric": "loss"}, whole]
    best = read(HOME).best("val", "loss", stream="fork-1")
    assert best is not None and best.data == {"loss": 1}
    assert sum(len(defined(path)) for path in (HOME / "log.jsonl", *HOME.glob("log/gpu.jsonl"))) == 1


def test_a_forked_child_that_says_nothing_new_has_no_stream() -> None:
    if not hasattr(os, "fork"):
        pytest.skip("not applicable: this system has no fork")
    with Exp("runs", "e") as exp:
        exp.define_metric("loss", direction="minimize")
        if not (child := os.fork()):
            try:
                exp.define_metric("loss", direction="minimize")
            finally:
                os._exit(0)
        os.waitpid(child, 0)
    assert not (HOME / "log").exists()


def test_threads_lose_nothing_of_a_definition(conforms: Any) -> None:
    members = {"direction": "minimize", "unit": "nat", "description": "d", "axis": "epoch"}
    with Exp("runs", "e") as exp:
        define: Any = exp.define_metric
        ready = threading.Barrier(4)

        def add(name: str) -> None:
            ready.wait()
            define("loss", **{name: members[name]})

        threads = [threading.Thread(target=add, args=(name,)) for name in members]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    conforms(HOME)
    assert defined()[-1] == {"metric": "loss", **members}


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"metric": ""}, InvalidName, "metric is ''; it must be a non-empty string"),
        ({"metric": 5}, InvalidName, "metric is 5; it must be a non-empty string"),
        ({"metric": "\ud83d"}, InvalidName, "lone surrogate"),
        ({"axis": ""}, InvalidName, "axis is ''; it must be a non-empty string"),
        ({"event": "a//b"}, InvalidName, "'a//b' isn't an event name"),
        ({"event": "mlv/end"}, InvalidName, "belongs to the specification"),
        ({"direction": "lower"}, ValueError, "direction is 'lower'; it must be one of 'minimize', 'maximize'"),
        ({"unit": 5}, TypeError, "unit is 5; it must be a string"),
        ({"description": ["a"]}, TypeError, "description is .'a'.; it must be a string"),
        ({"description": "a" * 10_001}, ValueError, "description has 10001 characters"),
    ],
)
def test_a_wrong_definition_is_refused(arguments: dict[str, Any], error: type[Exception], says: str) -> None:
    with Exp("runs", "e") as exp:
        define: Any = exp.define_metric
        with pytest.raises(error, match=says):
            define(**{"metric": "loss", **arguments})
        exp.log.event("a")
    assert defined() == []
    with pytest.raises(LogClosed):
        exp.define_metric("loss")


def test_a_description_of_any_characters_is_recorded(conforms: Any) -> None:
    with Exp("runs", "e") as exp:
        exp.define_metric("é", unit="µs", description='a\ud83d\n"b"')
    conforms(HOME)
    assert defined() == [{"metric": "é", "unit": "µs", "description": 'a\\ud83d\n"b"'}]


@pytest.mark.rule("reader.axis")
def test_the_axis_gives_the_positions() -> None:
    with Exp("runs", "e") as exp:
        exp.define_metric("loss", axis="tokens")
        for step in range(4):
            exp.log.event("val", step=step, tokens=step * 100, loss=1 / (step + 1), other=step)
    run = read(HOME)
    assert run.metric("val", "loss")[0] == [0, 100, 200, 300]
    assert run.metric("val", "other")[0] == [0, 1, 2, 3]
    assert run.metric("val", "loss", axis="step")[0] == [0, 1, 2, 3]
    assert run.metric("val", "other", axis="loss")[0] == run.metric("val", "loss")[1]


@pytest.mark.rule("reader.position")
def test_values_without_a_position_are_left_out_with_a_warning() -> None:
    with Exp("runs", "e") as exp:
        exp.define_metric("loss", axis="epoch")
        exp.log.event("val", loss=3)
        exp.log.event("val", epoch=1, loss=2)
        exp.log.event("val", epoch=math.nan, loss=1)
    with pytest.warns(
        RuntimeWarning, match="'loss' in log.jsonl, 2 values were left out: .* no number 'epoch'"
    ) as seen:
        assert read(HOME).metric("val", "loss") == ([1], [2])
    assert len(seen) == 1
    with pytest.warns(RuntimeWarning, match="3 values were left out: .* no number 'tokens'") as seen:
        assert read(HOME).metric("val", "loss", axis="tokens") == ([], [])
    assert len(seen) == 1, "that no event has the metric would be wrong"


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of steps and members that aren't numbers
def test_the_fast_path_gives_the_positions_of_the_data() -> None:
    """Events of many shapes: with and without a position, of typed values, and with rewinds."""
    random = Random(3)
    values: list[Callable[[], Any]] = [
        lambda: random.random(),
        lambda: random.randrange(9),
        lambda: 2**60,
        lambda: None,
    ]
    values += [lambda: math.nan, lambda: "3", lambda: True, lambda: [1]]
    with Exp("runs", "e") as exp:
        exp.define_metric("loss", event="a", axis="t")
        exp.define_metric("loss", event="b", axis="loss")
        for number in range(600):
            names = random.sample(["t", "loss", "step", "other"], random.randrange(1, 5))
            exp.log.event(random.choice("abc"), {name: random.choice(values)() for name in names})
            if number == 400:
                exp.rewind({"log.jsonl": 300})
    run = read(HOME)
    for event, axis in (("a", "t"), ("b", "loss"), ("c", None)):
        wanted = []
        count = 0
        for one in run.events(event):
            if "loss" in one.metrics:
                at: Any = one.data.get(axis) if axis else one.step if one.step is not None else count
                count += 1
                if isinstance(at, (int, float)) and not isinstance(at, bool) and math.isfinite(at):
                    wanted.append((at, repr(one.metrics["loss"])))
        positions, found = run.metric(event, "loss")
        assert list(zip(positions, map(repr, found), strict=True)) == wanted
        assert len(wanted) > 5


@pytest.mark.rule("reader.best")
@pytest.mark.rule("reader.best-value")
def test_the_best_value_needs_a_direction() -> None:
    with Exp("runs", "e") as exp:
        exp.define_metric("loss", direction="minimize", event="val")
        exp.define_metric("accuracy", unit="%")
        for loss in (math.nan, 3, -math.inf, 1, 1.0, 2):
            exp.log.event("val", loss=loss, accuracy=loss)
            exp.log.event("train", loss=loss)
        exp.log.event("empty", loss=math.nan)
    run = read(HOME)
    assert [one.line for one in (run.best("val", "loss"),) if one] == [10]
    assert [one.line for one in (run.best("val", "loss", direction="maximize"),) if one] == [6]
    assert [one.line for one in (run.best("train", "loss", direction="minimize"),) if one] == [11]
    assert run.best("empty", "loss", direction="minimize") is None
    assert run.best("nothing", "loss") is None
    for event, name, says in (("val", "accuracy", "has no direction"), ("**", "loss", "has no direction")):
        with pytest.raises(ValueError, match=f"{says}, so its best value isn't known. Pass direction="):
            run.best(event, name)
    with pytest.raises(ValueError, match="direction is 'min'; it must be one of"):
        run.best("val", "loss", direction="min")


def test_the_best_value_of_events_with_different_directions_is_not_known() -> None:
    with Exp("runs", "e") as exp:
        exp.define_metric("score", event="a", direction="minimize")
        exp.define_metric("score", event="b", direction="maximize")
        exp.log.event("a", score=1)
        exp.log.event("b", score=2)
    with pytest.raises(ValueError, match="'score' of the event 'b' has another direction than other events"):
        read(HOME).best("?", "score")


def test_large_integers_are_compared_exactly() -> None:
    with Exp("runs", "e") as exp:
        for value in (2**60, 2**60 + 1, 2.0**60, 10**400):
            exp.log.event("a", x=value)
    run = read(HOME)
    assert [best.seq for way in ("minimize", "maximize") if (best := run.best("a", "x", direction=way))] == [2, 5]


def test_a_damaged_default_stream_has_no_definitions_for_others(tmp_path: Path) -> None:
    with Exp("runs", "e") as exp:
        exp.stream("gpu").event("a", x=1)
    with open(HOME / "log.jsonl", "ab") as log:
        log.write(b'{"seq":3,"time":"2026-11-22T18:24:00.000000Z","event":"mlv/start","data":{"mlv":"2.0"}}\n')
    assert read(HOME).metric("a", "x", stream="gpu") == ([0], [1])
