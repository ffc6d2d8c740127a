"""The command `mlv-conformance`, run as a user runs it."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).parents[2]


class Held(NamedTuple):
    """What the command printed, and the claim that it wrote, if any."""

    returncode: int
    stdout: str
    stderr: str
    claim: Any


Hold = Callable[..., Held]


@pytest.fixture
def hold(tmp_path: Path) -> Hold:
    """Runs `mlv-conformance OPTIONS -- DRIVER`."""

    def hold(*driver: object, options: tuple[object, ...] = ()) -> Held:
        claim = tmp_path / "claim.json"
        whole = () if "--only" in options else ("--claim", claim)
        command = [sys.executable, "-m", "mlv_conformance", *whole, *options, "--", *driver]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=tmp_path)
        assert "Traceback (most recent call last)" not in done.stderr, done.stderr
        held = json.loads(claim.read_text()) if claim.exists() else None
        return Held(done.returncode, done.stdout, done.stderr, held)

    return hold
