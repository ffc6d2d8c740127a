"""What the commands say of an experiment that is open: whether its writer is running."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mlv_tools._reading.summary import summary
from mlv_tools._reading.trees import find
from mlvlogger import Exp

CODE = "import os; from mlvlogger import Exp; exp = Exp('runs', 'e'); exp.log.event('x'); os._exit(1)"


def words(directory: Path) -> tuple[str, str]:
    [found] = find(directory)
    one = summary(found)
    return one.state, one.writer


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """An experiment whose writer ended without an end, and left its lock file."""
    subprocess.run([sys.executable, "-c", CODE], cwd=tmp_path)
    return tmp_path / "runs"


def test_a_writer_that_is_running(tmp_path: Path, mlv: Callable[..., str]) -> None:
    exp = Exp(tmp_path, "e")
    assert words(tmp_path) == ("open", "running")
    assert "open, running" in mlv("ls", tmp_path)
    assert f"running (process {os.getpid()} on {os.uname().nodename})" in mlv("show", exp.path)
    exp.log.pause()
    assert words(tmp_path) == ("paused", "")
    exp.close()
    exp = Exp.resume(exp.path)
    exp.close("ended")
    assert words(tmp_path) == ("ended", "")
    assert "writer " not in mlv("show", exp.path)


def test_a_writer_that_was_killed(killed: Path, mlv: Callable[..., str]) -> None:
    assert words(killed) == ("open", "stopped")
    assert "open, stopped" in mlv("ls", killed)
    assert "stopped without an end" in mlv("show", killed / "e")


def test_a_writer_on_another_host(killed: Path, mlv: Callable[..., str]) -> None:
    [lock] = (killed / "e/.mlv-log.jsonl.lock").iterdir()
    lock.write_text(json.dumps(json.loads(lock.read_text()) | {"boot": "0", "host": "gpu-7\x1b", "pid": 4711}))
    assert words(killed) == ("open", "not known")
    assert "open, not known" in mlv("ls", killed)
    assert "not known (process 4711 on gpu-7\\x1b)" in mlv("show", killed / "e")


def test_tail_reports_a_writer_that_is_not_running(killed: Path) -> None:
    command = [sys.executable, "-m", "mlv_tools", "tail", str(killed / "e")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and " x" in done.stdout
    assert done.stderr == f"{killed / 'e'}: open; its writer: stopped without an end\n"
