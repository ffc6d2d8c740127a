"""What a reader says of a stream whose writer continued in another one, since another program had changed the file."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from mlvlogger import Exp, Experiment, read

HOME = Path("runs/e")
LOG = HOME / "log.jsonl"
KEPT = HOME / "log/kept-1.jsonl"


def truncate(path: Path) -> None:
    os.truncate(path, 0)


def replace(path: Path) -> None:
    shutil.copy(path, "copy")
    os.rename("copy", path)


def changed(*changes: Any, stream: str | None = None) -> Experiment:
    """An experiment whose stream was changed, each time after another event; and ended."""
    with pytest.warns(RuntimeWarning, match="by another program"), Exp("runs", "e") as exp:
        log = exp.stream(stream) if stream else exp.log
        for number, (path, change) in enumerate(changes):
            log.event("x", loss=float(number))
            log.flush()
            change(path)
            log.flush()
        log.event("x", loss=float(len(changes)))
    return read(HOME)


@pytest.mark.parametrize("ask", ["events", "spans", "metric", "state"])
@pytest.mark.parametrize(("change", "losses"), [(truncate, [1.0]), (replace, [0.0, 1.0])])
def test_a_reader_says_where_the_default_stream_continues(change: Any, losses: list[float], ask: str) -> None:
    experiment = changed((LOG, change))
    assert experiment.problems == []  # nothing was read yet
    for _ in range(2):  # it is said once
        if ask == "metric":
            experiment.metric("x", "loss")
        elif ask == "state":
            assert experiment.state == "open"
        else:
            list(getattr(experiment, ask)())
    (problem,) = experiment.problems
    assert (problem.path, problem.line) == ("log.jsonl", None)
    assert "log/kept-1.jsonl" in problem.message and "stream='kept-1'" in problem.message
    assert experiment.continued == {"log.jsonl": ["log/kept-1.jsonl"]}
    assert experiment.metric("x", "loss", stream="kept-1") == (list(range(len(losses))), losses)
    assert len(experiment.problems) == 1


def test_each_stream_is_continued_in_the_one_that_replaces_it() -> None:
    """The second kept stream begins with all lines of the first, and so with what that one replaces, too."""
    experiment = changed((LOG, replace), (KEPT, replace))
    assert experiment.continued == {"log.jsonl": ["log/kept-1.jsonl"], "log/kept-1.jsonl": ["log/kept-2.jsonl"]}
    assert len(list(experiment.events(stream="kept-2"))) == 3
    assert experiment.problems == []
    list(experiment.events(stream="kept-1"))
    assert [problem.path for problem in experiment.problems] == ["log/kept-1.jsonl"]


def test_a_named_stream_is_reported_where_it_is_read() -> None:
    experiment = changed((HOME / "log/gpu.jsonl", truncate), stream="gpu")
    assert experiment.state == "completed" and list(experiment.events()) == [] and experiment.problems == []
    list(experiment.events(stream="gpu"))
    assert [str(problem).partition(":")[0] for problem in experiment.problems] == ["log/gpu.jsonl"]


def test_a_log_that_was_replaced_twice_from_its_beginning_lists_both() -> None:
    changed((LOG, truncate))
    shutil.copy(KEPT, "kept")
    shutil.copy("kept", HOME / "log/kept-10.jsonl")
    shutil.copy("kept", HOME / "log/kept-9.jsonl")
    assert read(HOME).continued == {"log.jsonl": [f"log/kept-{number}.jsonl" for number in (1, 9, 10)]}


def test_a_stream_that_only_has_such_a_name_replaces_nothing() -> None:
    with Exp("runs", "e") as exp:
        exp.stream("kept-1").event("x")
    (HOME / "log/kept-2.jsonl").write_bytes(KEPT.read_bytes().replace(b'"pid"', b'"replaces":"log.jsonl","pid"', 1))
    (HOME / "log/kept-3.jsonl").write_bytes(KEPT.read_bytes().replace(b'"mlv":"1.0"', b'"mlv":"9.0"', 1))
    experiment = read(HOME)
    list(experiment.events())
    assert (experiment.continued, experiment.problems, experiment.state) == ({}, [], "completed")
