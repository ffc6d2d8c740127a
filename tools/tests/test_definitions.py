"""Definitions of metrics and best values in SQL, compared with the reader of mlvlogger."""

import math
import warnings
from pathlib import Path
from random import Random
from typing import Any

import pytest

import mlvlogger
from mlv_tools import connect
from mlvlogger import Exp


def rows(root: Path, query: str) -> list[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of rounded integers
        return connect(root).execute(query).fetchall()


def by_reader(root: Path) -> tuple[list[Any], list[Any]]:
    """The views `definitions` and `best`, by mlvlogger alone."""
    definitions, bests = [], []
    for experiment in mlvlogger.read.all(root):
        for stream in experiment.streams:
            known = experiment.metric_definitions(stream=stream)
            for event, name in sorted(experiment.metric_names(stream=stream)):
                if (one := known.of(event, name)) is None:
                    continue
                where = (experiment.path.name, stream, event, name)
                definitions.append((*where, one.direction, one.unit, one.description, one.axis))
                if one.direction and (best := experiment.best(event, name, stream=stream)):
                    bests.append((*where, one.direction, float(best.metrics[name]), best.seq))
    return definitions, bests


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_views_are_what_the_reader_says(tmp_path: Path) -> None:
    random = Random(5)
    values: list[Any] = [0, 1, 1.0, -0.0, 2**60, 2**60 + 1, math.nan, math.inf, -math.inf, 0.5, True, "x"]
    for number in range(6):
        with Exp(tmp_path, f"e{number}") as exp:
            for stream in (exp.log, exp.stream("gpu"), exp.stream("rank-1")):
                for _ in range(random.randrange(6)):
                    define: Any = stream.define_metric
                    members = {"direction": ["minimize", "maximize"], "unit": ["s"], "axis": ["step", "m"]}
                    picked = random.sample(sorted(members), random.randrange(4))
                    event = random.choice([None, "a", "b/c"])
                    define(random.choice("mn"), event=event, **{name: random.choice(members[name]) for name in picked})
                    if random.random() < 0.1:
                        stream._stream.append(b'"mlv/metric"', b'{"metric":"m","direction":"lower"}')
                for step in range(random.randrange(30)):
                    event = random.choice(["a", "b/c"])
                    stream.event(event, {name: random.choice(values) for name in random.sample("mn", 1 + step % 2)})
                    if random.random() < 0.05:
                        exp.rewind({stream.file.relative_to(exp.path).as_posix(): random.randrange(1, step + 2)})
    definitions, bests = by_reader(tmp_path)
    order = "experiment, stream = 'log.jsonl' DESC, stream, event, name"
    columns = "experiment, stream, event, name, direction"
    assert rows(tmp_path, f"SELECT {columns}, unit, description, axis FROM definitions ORDER BY {order}") == definitions
    assert rows(tmp_path, f"SELECT {columns}, value, seq FROM best ORDER BY {order}") == bests
    assert len(definitions) > 30 and len(bests) > 10


def test_the_best_integer_beyond_all_doubles_has_no_value(tmp_path: Path) -> None:
    with Exp(tmp_path, "e") as exp:
        exp.define_metric("x", direction="maximize")
        for value in (1, 10**400, 10**399):
            exp.log.event("a", x=value)
    assert rows(tmp_path, "SELECT value, seq, step FROM best") == [(None, 4, 1)]


def test_without_definitions_the_views_are_empty(tmp_path: Path) -> None:
    with Exp(tmp_path, "e") as exp:
        exp.log.event("a", x=1)
    assert rows(tmp_path, "SELECT * FROM definitions UNION ALL BY NAME FROM best") == []
