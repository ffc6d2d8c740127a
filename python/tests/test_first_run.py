"""The first run of a new user: nothing is set up, and nothing more is needed than an interpreter."""

import os
import subprocess
import sys
from pathlib import Path

import mlvlogger
from mlvlogger import read
from program import program

SCRIPT = program("first_run")


def run(**environment: str) -> subprocess.CompletedProcess[str]:
    """Run the script in the environment of a new user, which has only these variables; from source."""
    source = os.fspath(Path(mlvlogger.__file__).parents[1])
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {source!r})\n{SCRIPT}"]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_an_empty_environment_without_home_git_or_a_path_is_enough() -> None:
    done = run()
    assert (done.returncode, done.stdout, done.stderr) == (0, "runs/demo completed\n", "")
    assert read("runs/demo").environments[0].get("git") is None


def test_a_missing_home_is_not_created(tmp_path: Path) -> None:
    done = run(HOME=str(tmp_path / "home"), PATH=os.defpath)
    assert (done.returncode, done.stdout, done.stderr) == (0, "runs/demo completed\n", "")
    assert not (tmp_path / "home").exists()


def test_a_second_run_explains_how_to_resume() -> None:
    run()
    done = run()
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "mlvlogger.ExperimentExists: runs/demo holds an experiment already. Choose another name, or exists='number'; "
        "to continue it use Exp.resume(path) or exists='resume', to add to it Exp.open(path)."
    )
