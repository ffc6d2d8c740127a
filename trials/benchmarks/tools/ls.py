"""What `mlv ls` reads, and how long it takes, compared with simpler programs.

`python trials/benchmarks/tools/ls.py [EXPERIMENTS]`
By default a thousand experiments of a thousand events each, every tenth open, every seventh with a note. Bytes are
those that the system counts of the process (Linux), times are ratios within this run; both include the start of Python.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mlvlogger import Exp

EVENTS = 1000
START = "import click, mlvlogger, rich.table, rich.text; mlvlogger.read, mlvlogger.Exp"
META = "import mlvlogger, sys; print(sum(1 for _ in mlvlogger.read.all(sys.argv[1])))"
STATE = "import mlvlogger, sys; print(sum(len(exp.state) for exp in mlvlogger.read.all(sys.argv[1])))"
CLI = "import mlv_tools._cli as cli; cli.main()"
COUNT = "import atexit; atexit.register(lambda: print(open('/proc/self/io').read().split()[1], file=sys.stderr))"


def make(root: Path, count: int) -> None:
    """Experiments that look like trainings."""
    for number in range(count):
        exp = Exp(root, f"run_{number}", {"lr": 10.0 ** -(number % 5), "seed": number}, kind="train")
        for step in range(EVENTS):
            exp.log.event("train/batch", step=step, loss=1 / (step + 1), accuracy=1 - 1 / (step + 1))
        exp.flush() if number % 10 == 0 else exp.close()
        if number % 7 == 0:
            Exp.open(exp.path, tags=["a note"]).close()


def measure(program: str, *arguments: str) -> tuple[float, int]:
    """Seconds that a program takes, and bytes that it reads."""
    began = time.perf_counter()
    command = [sys.executable, "-c", f"import sys; {COUNT}; {program}", *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - began
    return seconds, int(done.stderr.split()[-1])


def main() -> None:
    """Make a tree, and measure."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "runs")
        make(root, count)
        logs = sum(path.stat().st_size for path in root.rglob("*.jsonl"))
        print(f"{count} experiments, {logs / 1e6:.1f} MB of logs")
        rows = {
            "python with click, rich and mlvlogger": measure(START),
            "the metadata of all, with mlvlogger": measure(META, str(root)),
            "the state of all, with mlvlogger": measure(STATE, str(root)),
            "mlv ls": measure(CLI, "ls", str(root)),
            "mlv ls --metric loss:min": measure(CLI, "ls", str(root), "--metric", "loss:min"),
        }
        start, start_bytes = rows["python with click, rich and mlvlogger"]
        meta = rows["the metadata of all, with mlvlogger"][0]
        print(f"{'':40}{'read':>12}{'of the logs':>14}{'of the start':>14}{'of the meta':>14}")
        for name, (seconds, size) in rows.items():
            read = max(0, size - start_bytes)
            print(f"{name:40}{read / 1e6:9.1f} MB{read / logs:14.1%}{seconds / start:13.1f}×{seconds / meta:13.2f}×")


if __name__ == "__main__":
    main()
