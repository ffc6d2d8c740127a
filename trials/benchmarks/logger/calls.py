"""What one call costs its caller, and all processes: back to back, and paced as training is.

Each round runs every row once, each in a fresh process, in turn: a busy moment of the machine meets all of them, and
what is compared was measured side by side. A row is a subject with four scalars, or ``SUBJECT SHAPE``.
"""

from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from processes import trial, workplace
from rows import OWN, SCALE, SYNCED, WRITERS

__all__ = ["ALL", "ROUNDS", "measure"]

SHAPED = [f"{row} {shape}" for shape in ("nested", "strings") for row in ("null", *WRITERS)]
ALL = ["null", *OWN, *SCALE, *SYNCED, *SHAPED]
ROUNDS = 9

MODES: dict[str, dict[str, Any]] = {
    "once": {"events": 1},  # what starting and ending costs the other processes
    "back to back": {"events": 30_000, "seconds": 1.5},
    "paced": {"events": 2_000, "seconds": 3, "paced": True},
}


def measure(rows: list[str], rounds: int, python: Callable[[str], Path], base: Path | None) -> dict[str, Any]:
    """The costs of the rows in both modes; rows that they are compared with are measured too.

    Seconds everywhere. ``median`` is less the harness's own; ``ratio`` is to P with the same data, the median of the
    rounds' ratios, and ``spread`` the smallest and the largest of them; ``cpu`` is that of all processes for one event,
    less the harness's and less what a run with one event takes.
    """
    shapes = {row.partition(" ")[2] for row in rows}
    compared = [f"{subject} {shape}".strip() for shape in sorted(shapes) for subject in ("null", "plain")]
    rows = [*compared, *(row for row in rows if row not in compared)]
    found: dict[str, list[dict[str, Any]]] = {row: [] for row in rows}
    lost: dict[str, dict[str, Any]] = {}
    for number in range(rounds):
        for row in rows if number % 2 else reversed(rows):  # whoever comes after the heaviest is not always the same
            if row not in lost:
                subject, _, shape = row.partition(" ")
                one = {}
                for mode, spec in MODES.items():
                    with workplace(base) as place:
                        one[mode] = trial(python(subject), subject, place, shape=shape or "scalars", **spec)
                    if "median" not in one[mode]:
                        lost[row] = one[mode]
                        break
                found[row].append(one)
        print(f"calls: round {number + 1} of {rounds}", flush=True)
    return {row: lost[row] if row in lost else _result(row, found) for row in rows}


def _result(row: str, found: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    shape = row.partition(" ")[2]
    harness, plain = found[f"null {shape}".strip()], found[f"plain {shape}".strip()]
    result: dict[str, Any] = {"rounds": len(found[row])}
    for mode in list(MODES)[1:]:
        costs = [_median(one[mode]) - _median(null[mode]) for one, null in zip(found[row], harness, strict=True)]
        limits = [_median(one[mode]) - _median(null[mode]) for one, null in zip(plain, harness, strict=True)]
        cpus = [_cpu(one, mode) - _cpu(null, mode) for one, null in zip(found[row], harness, strict=True)]
        cpu_limits = [_cpu(one, mode) - _cpu(null, mode) for one, null in zip(plain, harness, strict=True)]
        ratios = [cost / limit for cost, limit in zip(costs, limits, strict=True)]
        result[mode] = {
            "events": found[row][0][mode]["events"],
            "median": median(costs),
            "ratio": median(ratios),
            "spread": [min(ratios), max(ratios)],
            "p99": median(one[mode]["p99"] for one in found[row]) / 1e9,
            "p99.9": median(one[mode]["p99.9"] for one in found[row]) / 1e9,
            "cpu": median(cpus),
            "cpu ratio": median(cpu / limit for cpu, limit in zip(cpus, cpu_limits, strict=True)),
        }
    return result


def _median(one: dict[str, Any]) -> float:
    seconds: float = one["median"] / 1e9
    return seconds


def _cpu(one: dict[str, Any], mode: str) -> float:
    trial = one[mode]
    seconds: float = (trial["cpu"] + trial["others_cpu"] - one["once"]["others_cpu"]) / trial["events"]
    return seconds
