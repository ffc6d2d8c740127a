"""Run tests many times next to busy loops, to find those that assume how fast or in which order processes run.

    python trials/load.py [--rounds N] [--loops N] [--at-once N] [--minutes N] [test …]

Each round runs the given tests of pytest once, slow ones too, in one process; several rounds at a time are load for
each other, too.
Without tests, these are the tests of processes, signals and threads. The report has each test that failed, with the
number of rounds in which it did, and the output of the first of them. Exits with 1 if a test failed.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
_NAMES = (
    "backlog capture crash exits forks kept locks logging_handler place process* stream_lock streams system writers"
)
_PATTERNS = [f"python/tests/test_{name}.py" for name in _NAMES.split()]
_PATTERNS += ["tools/tests/test_clean.py", "tools/tests/test_tail.py"]
_TESTS = sorted(str(path) for pattern in _PATTERNS for path in _ROOT.glob(pattern))
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


def main() -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100, help="Times that the tests run (default: 100).")
    parser.add_argument("--loops", type=int, default=2 * (os.cpu_count() or 1), help="Busy loops next to the tests.")
    parser.add_argument("--at-once", type=int, default=1, help="Rounds that run at the same time (default: 1).")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="Start no round after this time.")
    parser.add_argument("tests", nargs="*", default=_TESTS, help="Files or node IDs of tests, as for pytest.")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the loops end, too
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(arguments.loops)]
    try:
        return _run(arguments.rounds, time.monotonic() + 60 * arguments.minutes, arguments.at_once, arguments.tests)
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def _run(rounds: int, end: float, at_once: int, tests: list[str]) -> int:
    failed: Counter[str] = Counter()
    done = 0
    command = [sys.executable, "-m", "pytest", "-n", "0", "-m", "", "-q", "-rfE", "--tb=short", *tests]

    def run(_: int) -> tuple[subprocess.CompletedProcess[str] | None, float]:
        begin = time.monotonic()
        if begin > end:
            return None, 0
        found = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return found, time.monotonic() - begin

    pool = ThreadPoolExecutor(at_once)
    try:
        for found, seconds in pool.map(run, range(rounds)):
            if found is None:
                break
            done += 1
            names = _FAILED.findall(found.stdout)
            if found.returncode not in (0, 1) or bool(names) != bool(found.returncode):
                print(found.stdout)
                raise SystemExit(f"pytest ended with {found.returncode}, and the tests did not run as they should")
            if set(names) - set(failed):
                print(found.stdout)
            failed.update(names)
            load = os.getloadavg()[0]
            print(f"round {done}: {len(names)} failed, {seconds:.0f} s, load average {load:.0f}", flush=True)
    finally:
        pool.shutdown(cancel_futures=True)
    for name, count in failed.most_common():
        print(f"{name} failed in {count} of {done} rounds")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
