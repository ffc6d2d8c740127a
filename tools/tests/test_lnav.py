"""The format file for lnav, with the real lnav."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from mlvlogger import Exp


@pytest.fixture
def lnav(mlv, tmp_path):
    if not shutil.which("lnav"):
        pytest.skip("needs lnav (Debian: apt install lnav)")
    folder = tmp_path / "config/lnav/formats/mlv"
    folder.mkdir(parents=True)
    shutil.copy(mlv("lnav").strip(), folder / "mlv.json")

    def run(*arguments):
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config")}
        environment |= {"TERM": "dumb", "LANG": "C.UTF-8"}
        command = ["lnav", "-n", *map(str, arguments)]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and not done.stderr, done.stderr
        return done.stdout

    return run


@pytest.fixture
def exp(tmp_path):
    with Exp(tmp_path, "e") as exp:
        for step in range(5):
            exp.log.event("train/batch", step=step, loss=0.25 * step)
        exp.stream("gpu").event("memory", used=7)
    return exp


def test_the_format_file_is_json_and_has_a_name_that_lnav_takes(mlv):
    assert list(json.loads(Path(mlv("lnav").strip()).read_text())) == ["$schema", "mlv_log"]


def test_streams_are_shown_with_time_number_event_and_data(lnav, exp):
    lines = lnav(exp.path / "log.jsonl").splitlines()
    assert len(lines) == 7
    assert lines[1].split()[2:4] == ["2", "train/batch"] and '"loss":0.0' in lines[1].replace(" ", "")


def test_a_query_counts_what_is_there(lnav, exp):
    query = ";SELECT event, count(*), avg(jget(data, '/loss')) FROM mlv_log GROUP BY event"
    output = lnav("-c", query, "-c", ":write-json-to -", exp.path / "log.jsonl", exp.path / "log/gpu.jsonl")
    rows = {tuple(row.values()) for row in json.loads(output)}
    assert ("train/batch", 5, "0.5") in rows and ("mlv/start", 2, None) in rows and ("memory", 1, None) in rows
