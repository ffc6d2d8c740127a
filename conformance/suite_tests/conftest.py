"""The command `mlv-conformance`, run as a user runs it."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
Hold = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def hold(tmp_path: Path) -> Hold:
    """Runs `mlv-conformance OPTIONS -- DRIVER`; the claim that it wrote is its `claim`, if it wrote one."""

    def hold(*driver: object, options: tuple[object, ...] = ()) -> Any:
        claim = tmp_path / "claim.json"
        whole = () if "--only" in options else ("--claim", claim)
        command = [sys.executable, "-m", "mlv_conformance", *whole, *options, "--", *driver]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=tmp_path)
        done.claim = json.loads(claim.read_text()) if claim.exists() else None  # type: ignore[attr-defined]
        assert "Traceback (most recent call last)" not in done.stderr, done.stderr
        return done

    return hold
