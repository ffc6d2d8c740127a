"""What the tests of the validator share: experiments, and the real command."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builder import Builder


@pytest.fixture
def experiment(tmp_path: Path) -> Callable[..., Builder]:
    """Makes experiments: `experiment("a", name="a")` in the directory `a`."""
    return lambda path="x", **members: Builder(tmp_path / path, **members)


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs the real command in a directory of the test's, with an empty environment and a time limit."""

    def run(*arguments: object, **options: Any) -> "subprocess.CompletedProcess[str]":
        environment = {"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"}
        environment |= options.pop("env", {})
        settings: dict[str, Any] = {
            "cwd": tmp_path,
            "capture_output": True,
            "text": True,
            "timeout": 240,
            "errors": "surrogateescape",
        }
        command = [*options.pop("before", ()), sys.executable, "-m", "mlv_validate", *map(str, arguments)]
        done: subprocess.CompletedProcess[str] = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, **(settings | options)
        )
        assert "Traceback" not in (done.stderr or "")
        return done

    return run
