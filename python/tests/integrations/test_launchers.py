"""The recorded code is the user's under real launchers, which start other programs; and in a notebook."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlvlogger import Experiment, read
from program import program
from test_provenance import make_repository

HOME = Path("runs/e")


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Experiment]:
    """`start(code, *launcher)` runs a script of the repository proj, in it; returns the experiment that it makes."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    (tmp_path / "proj").mkdir()
    monkeypatch.chdir(tmp_path / "proj")

    def run(code: str, *launcher: str) -> Experiment:
        make_repository(tmp_path / "proj", train_py=code, _gitignore="runs/\njobs/\n__pycache__/\n")
        done = subprocess.run([sys.executable, *launcher, "train.py"], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return read(HOME)

    return run


def check(experiment: Experiment, source: str, launcher: str | None) -> None:
    """Assert that the code is that of the repository, found by *source*, and that a file of this name started it."""
    environment: dict[str, Any] = experiment.environments[0]
    git = environment["git"]
    assert (git["source"], git["remote"], git["dirty"]) == (source, "https://example.org/proj.git", False)
    script = str(Path("train.py").resolve()) if source == "script" else None
    assert environment["script"] == script
    found = environment["launcher"]
    assert (found and Path(found).name) == launcher


def test_torchrun_starts_the_users_script(start: Callable[..., Experiment]) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    words = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    experiment = start(program("integrations/launchers_torchrun"), *words)
    assert experiment.streams == ["log.jsonl", "log/rank-1.jsonl"]
    check(experiment, "script", None)


def test_a_job_of_submitit_has_the_code_of_the_directory(start: Callable[..., Experiment]) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed")
    check(start(program("integrations/launchers_submitit")), "directory", "_submit.py")


def test_a_worker_of_ray_has_the_code_of_the_directory(
    start: Callable[..., Experiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray", reason="ray is not installed")
    monkeypatch.setenv("RAY_raylet_start_wait_time_s", "200")  # of a machine that has other things to do
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    check(start(program("integrations/launchers_ray")), "directory", "default_worker.py")


CELLS = [
    'import os, subprocess, sys\nfrom mlvlogger import Exp\nexp = Exp("runs", "e")\noutput = exp.capture()',
    'print("a cell")\nprint("a warning", file=sys.stderr)\nos.system("echo a child")\nos.write(1, b"raw\\n");',
    'print("the last")\noutput.stop()\nprint("not captured")',
    "exp.close()",
]


def test_a_notebook_has_the_code_of_its_directory_and_captures_what_cells_print(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, conforms: Callable[..., Any]
) -> None:
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed")
    from nbformat import v4

    make_repository(tmp_path / "proj", train_ipynb="{}", _gitignore="runs/\n")
    monkeypatch.chdir(tmp_path / "proj")
    notebook = v4.new_notebook(cells=[v4.new_code_cell(source) for source in CELLS])
    # Under pytest, ipykernel doesn't show what child processes print.
    env = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    nbclient.NotebookClient(notebook, timeout=200, resources={"metadata": {"path": "."}}).execute(env=env)

    experiment = read(HOME)
    check(experiment, "directory", None)
    logged = [(event.name, event.data["text"]) for event in experiment.events(stream="output")]
    expected = [("stdout", "a cell"), ("stderr", "a warning"), ("stdout", "a child"), ("stdout", "raw")]
    assert sorted(logged) == sorted([*expected, ("stdout", "the last")])
    shown = "".join(output.text for cell in notebook.cells for output in cell.outputs if output.output_type == "stream")
    # What child processes print may come after the cell has ended, and nbclient doesn't wait for it.
    cells = [line for line in shown.splitlines() if line not in ("a child", "raw")]
    assert sorted(cells) == sorted(["a cell", "a warning", "the last", "not captured"])
    conforms(HOME, sealed=True)
