"""The format file for lnav, with the real lnav."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mlv_tools
import mlvlogger
from mlvlogger import Exp

FORMAT = Path(mlv_tools.__file__).parent / "lnav/mlv.json"

if shutil.which("lnav") is None and "MLV_REQUIRE_ALL" not in os.environ:
    pytest.skip("needs lnav, of the Debian package of that name", allow_module_level=True)


@pytest.fixture
def lnav(tmp_path: Path) -> Callable[..., str]:
    home = tmp_path / "home"
    home.mkdir()

    def run(*arguments: Any) -> str:
        return subprocess.run(
            ["lnav", *arguments],
            env={**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home), "TERM": "xterm"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout

    run("-i", FORMAT)
    return run


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    with Exp(tmp_path, "demo") as exp:
        with exp.log.span("epoch", n=0) as epoch:
            for step in range(4):
                epoch.event("batch", step=step, loss=step / 2)
        exp.stream("gpu").event("memory", used=3)
    return exp.path


def test_lnav_shows_time_event_and_data(lnav: Callable[..., str], experiment: Path) -> None:
    lines = (experiment / "log.jsonl").read_text().splitlines()
    shown = []
    for line in map(json.loads, lines):
        data = json.dumps(line["data"], separators=(",", ":"))
        shown.append(f"{line['time'][:23]} {line['event']:16} {data}")
    printed = lnav("-n", experiment / "log.jsonl").splitlines()
    assert [" ".join(line.split()) for line in printed] == [" ".join(line.split()) for line in shown]


def test_lnav_counts_and_queries_the_events_that_a_reader_reads(lnav: Callable[..., str], experiment: Path) -> None:
    run = mlvlogger.read(experiment)
    streams = [experiment / stream for stream in run.streams]
    events = [event for stream in run.streams for event in run.events(stream=stream, lifecycle=True)]
    query = ";select count(*) as n, avg(jget(data, '/loss')) as loss, max(seq) as last from mlv_log"
    assert json.loads(lnav("-n", "-c", query, "-c", ":write-json-to -", *streams)) == [
        {"n": len(events), "loss": 0.75, "last": max(event.seq for event in events)}
    ]
