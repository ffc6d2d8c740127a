"""What tests of `mlv ls` share: its rows and its messages."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def rows_of(text: str) -> Any:
    return json.loads(text)


def said(tmp_path: Path, *arguments: str) -> tuple[list[str], list[str]]:
    """The names of the rows that `mlv ls` prints, and the lines on standard error."""
    command = [sys.executable, "-m", "mlv_tools", "ls", "runs", *arguments, "--format", "json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    return [row["name"] for row in rows_of(done.stdout)], done.stderr.splitlines()
