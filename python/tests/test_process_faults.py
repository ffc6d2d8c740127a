"""The process writer where something is wrong: it cannot start, it dies, or its memory is changed by somebody else."""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mlvlogger

pytestmark = pytest.mark.skipif(os.name == "nt", reason="not applicable: Windows has no posix_spawn")

PACKAGE = Path(mlvlogger.__file__).parent


NEIGHBORS = ("enum", "select", "hashlib", "struct", "signal", "zlib", "json", "typing", "datetime", "random", "time")
SHADOWED = """
import os, sys, time, warnings
sys.path.append(sys.argv[1])
warnings.simplefilter("error")
from mlvlogger import Exp
with Exp("runs", "e", writer="process") as exp:
    words = exp.log._stream._writer._ring.words
    while not words[5]:
        exp.log.event("waits")
        time.sleep(0.001)
    exp.log.event("x", number=0)
    with exp.capture():
        os.write(1, b"hello\\n")
    exp.log.flush()
    assert exp.log._stream._writer._heir is None
"""


@pytest.mark.parametrize("place", ["site", "site.zip"])
def test_modules_that_lie_beside_the_package_do_not_take_the_place_of_standard_ones(
    place: str, conforms: Callable[..., Any], tmp_path: Path
) -> None:
    shutil.copytree(PACKAGE, "site/mlvlogger", ignore=shutil.ignore_patterns("__pycache__"))
    for name in NEIGHBORS:
        Path("site", f"{name}.py").write_text("open('shadowed', 'w').close()\nraise SystemExit(9)\n")
    if place.endswith(".zip"):
        with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(Path("site").rglob("*.py")):
                archive.write(file, file.relative_to("site"))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", SHADOWED, str(tmp_path / place)],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "hello\n", "")
    assert not Path("shadowed").exists()
    streams = conforms("runs/e", sealed=True)
    assert [event["data"]["text"] for event in streams["log/output.jsonl"] if event["event"] == "stdout"] == ["hello"]
