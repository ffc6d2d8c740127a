"""The command `mlv-conformance`, run as a user runs it."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).parents[2]


class SuiteRun(NamedTuple):
    """What the command printed, and the claim that it wrote, if any."""

    returncode: int
    stdout: str
    stderr: str
    claim: Any


RunSuite = Callable[..., SuiteRun]


def load_script(path: Path) -> Any:
    """Return a script of the repository, which is in no package, as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def run_suite(tmp_path: Path) -> RunSuite:
    """Runs `mlv-conformance OPTIONS -- DRIVER`."""

    def run_suite(*driver: object, options: tuple[object, ...] = ()) -> SuiteRun:
        claim = tmp_path / "claim.json"
        whole = () if {"--only", "--against"} & set(options) else ("--claim", claim)
        command = [sys.executable, "-m", "mlv_conformance", *whole, *options, "--", *driver]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=tmp_path)
        assert "Traceback (most recent call last)" not in done.stderr, done.stderr
        written = json.loads(claim.read_text()) if claim.exists() else None
        return SuiteRun(done.returncode, done.stdout, done.stderr, written)

    return run_suite
