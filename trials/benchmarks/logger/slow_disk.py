"""What the caller waits for when every write takes the disk 50 ms."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from processes import trial, workplace

__all__ = ["ROUNDS", "measure"]

ROUNDS = 3

# The most that a process writer may buffer: 340 KB paced and 850 KB back to back, within its buffer of 1 MiB.
MODES: dict[str, dict[str, Any]] = {
    "back to back": {"events": 5_000, "seconds": 3},
    "paced": {"events": 2_000, "seconds": 3, "paced": True},
}


def measure(rows: list[str], rounds: int, python: Callable[[str], Path], base: Path | None) -> dict[str, Any]:
    """Seconds of the median and the worst calls, gross."""
    found: dict[str, dict[str, list[dict[str, Any]]]] = {row: {mode: [] for mode in MODES} for row in rows}
    lost: dict[str, Any] = {}
    with workplace(base) as built:
        library = built / "slow_disk.so"
        source = Path(__file__).with_suffix(".c")
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
        for number in range(rounds):
            for row in rows:
                for mode, spec in MODES.items():
                    with workplace(base) as place:
                        one = trial(python(row), row, place, variables={"LD_PRELOAD": str(library)}, **spec)
                    if "median" in one:
                        found[row][mode].append(one)
                    else:
                        lost[row] = one
            print(f"slow disk: round {number + 1} of {rounds}", flush=True)
    result = dict(lost)
    for row in rows:
        if row not in lost:
            result[row] = {
                mode: {
                    "events": ones[0]["events"],
                    **{name: median(one[name] for one in ones) / 1e9 for name in ("median", "p99", "p99.9", "max")},
                }
                for mode, ones in found[row].items()
            }
    return result
