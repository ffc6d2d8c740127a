"""What it costs to read a million events back, compared with a loop of ``json.loads`` over the same file."""

from pathlib import Path
from statistics import median
from typing import Any

from mlvlogger import Exp
from processes import script, workplace

__all__ = ["ROUNDS", "measure"]

ROUNDS = 3
EVENTS = 1_000_000

# The peak is the kernel's own, of this process after its start; ru_maxrss would be the parent's where that is larger.
END = """
with open("/proc/self/status") as file:
    peak = next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))
print("result:", [count, peak])
"""

TEXTS = {
    "json.loads": """
import json, sys
count = 0
with open(sys.argv[1] + "/run/log.jsonl", "rb") as lines:
    for line in lines:
        if json.loads(line)["event"] == "batch":
            count += 1
""",
    "events": """
import sys
from mlvlogger import read
count = 0
for event in read(sys.argv[1] + "/run").events("batch"):
    count += 1
""",
    "metric": """
import sys
from mlvlogger import read
steps, values = read(sys.argv[1] + "/run").metric("batch", "loss")
count = len(values)
""",
}


def measure(rounds: int, base: Path | None, events: int = EVENTS) -> dict[str, Any]:
    """Seconds, CPU seconds and peak memory of whole processes, and their ratios to the loop of ``json.loads``."""
    found: dict[str, list[Any]] = {name: [] for name in TEXTS}
    with workplace(base) as place:
        with Exp(place / "log", "run", {"lr": 0.0003}, kind="train") as exp:
            for step in range(events):
                exp.log.event("batch", step=step, loss=1 / (step % 1000 + 3), accuracy=0.5, lr=0.0003)
        for number in range(rounds):
            for name, text in TEXTS.items():
                one = script(text + END, place, place / "log")
                count, one["peak"] = one["printed"]
                if count != events:
                    raise RuntimeError(f"{name} found {count} of {events} events")
                found[name].append(one)
            print(f"reading: round {number + 1} of {rounds}", flush=True)
    result: dict[str, Any] = {}
    for name, ones in found.items():
        result[name] = {kind: median(one[kind] for one in ones) for kind in ("wall", "cpu", "peak")}
        result[name].update({"events": events, "rounds": rounds})
        for kind in ("wall", "cpu"):
            pairs = zip(ones, found["json.loads"], strict=True)
            result[name][f"{kind} ratio"] = median(one[kind] / loop[kind] for one, loop in pairs)
    return result
