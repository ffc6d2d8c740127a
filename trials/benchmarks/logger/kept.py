"""What is left of the acknowledged events after SIGKILL: of the trainer alone, and of it with all its helpers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from processes import kill, workplace

__all__ = ["ALL", "ROUNDS", "measure"]

ALL = ["plain", "mlv:exp", "mlv:exp+process"]
ROUNDS = 3
SECONDS = 1.5


def measure(rows: list[str], rounds: int, python: Callable[[str], Path], base: Path | None) -> dict[str, Any]:
    """For each subject, mode and victim: how many events were acknowledged, kept, and kept with a wrong value."""
    found: dict[str, Any] = {row: {} for row in rows}
    for number in range(rounds):
        for row in rows:
            for mode in ("paced", "back to back"):
                for victim in ("tree", "trainer"):
                    with workplace(base) as place:
                        one = kill(
                            python(row), row, place, tree=victim == "tree", seconds=SECONDS, paced=mode == "paced"
                        )
                    if "kept" in one:
                        sums = found[row].setdefault(mode, {}).setdefault(victim, {"rounds": 0, "seconds": 0.0})
                        sums["rounds"] += 1
                        sums["seconds"] += SECONDS
                        for name in ("acknowledged", "kept", "wrong"):
                            sums[name] = sums.get(name, 0) + one[name]
                    else:
                        found[row].update(one)
        print(f"kept: round {number + 1} of {rounds}", flush=True)
    return found
