"""What starting costs: the import, the time from the start of the process to the first event, and what exit leaves."""

from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import mlvlogger
from processes import script, workplace

__all__ = ["IMPORTS", "SCRIPTS", "ROUNDS", "measure", "measure_imports"]

ROUNDS = 40

# With -I -S nothing of the installation is read at start, so that the import alone is left; our path comes by hand.
PATH = f"import sys; sys.path.append({str(Path(mlvlogger.__file__).parents[1])!r})"
IMPORTS = {
    "bare": "pass",
    "json": "import json",
    "mlvlogger": "import mlvlogger",
    "Logger": "from mlvlogger import Logger",
}
FLAGS: dict[str, tuple[str, ...]] = {"as installed": (), "-I -S": ("-I", "-S")}

CLOCK = 'import time; print("result:", time.clock_gettime(time.CLOCK_MONOTONIC))'
DATA = "step=0, loss=0.8444218515250481, accuracy=0.15557814847495188, lr=0.0003"

SCRIPTS = {
    "bare": CLOCK,
    "plain": f"""
import json, os, sys
from datetime import datetime, timezone
fd = os.open(sys.argv[1] + "/log.jsonl", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o666)
line = {{"seq": 1, "time": datetime.now(timezone.utc).isoformat(), "event": "batch", "data": dict({DATA})}}
os.write(fd, (json.dumps(line) + "\\n").encode())
{CLOCK}
""",
}
for writer in "direct", "process":
    option = "" if writer == "direct" else ', writer="process"'
    SCRIPTS[f"mlv:{writer}"] = f"""
import sys
from mlvlogger import Logger
with Logger(sys.argv[1] + "/log.jsonl"{option}) as log:
    log.event("batch", {DATA})
    log.flush()
    {CLOCK}
"""
    SCRIPTS["mlv:exp" if writer == "direct" else "mlv:exp+process"] = f"""
import sys
from mlvlogger import Exp
with Exp(sys.argv[1], "run", {{"lr": 0.0003}}, kind="train"{option}) as exp:
    exp.log.event("batch", {DATA})
    exp.log.flush()
    {CLOCK}
"""

# A peer starts as its adapter says.
ADAPTER = f"""
import sys
def train(log, flush=None):
    log(dict({DATA}))
    if flush is not None:
        flush()
    {CLOCK}
names = {{"__name__": "adapter", "__file__": sys.argv[2]}}
exec(compile(open(sys.argv[2]).read(), sys.argv[2], "exec"), names)
names["record"](sys.argv[3], sys.argv[1], train)
"""
PEER_IMPORT = """
import sys, time
begin = time.perf_counter()
exec(compile(open(sys.argv[2]).read(), sys.argv[2], "exec"), {"__name__": "adapter", "__file__": sys.argv[2]})
print("result:", time.perf_counter() - begin)
"""


def measure_imports(rounds: int, base: Path | None) -> dict[str, Any]:
    """Seconds of a whole process that imports and ends, less those of one that does not, and the ratio to json's."""
    found: dict[str, dict[str, list[dict[str, Any]]]] = {flags: {name: [] for name in IMPORTS} for flags in FLAGS}
    with workplace(base) as place:
        for number in range(-1, rounds):  # the first round compiles, and isn't counted
            for flags, words in FLAGS.items():
                for name, text in IMPORTS.items():
                    one = script(f"{PATH}; {text}" if words else text, place, flags=words)
                    if number >= 0:
                        found[flags][name].append(one)
    result: dict[str, Any] = {}
    for flags, names in found.items():
        result[flags] = {"rounds": rounds}
        for name in list(IMPORTS)[1:]:
            row = {}
            for measure in ("wall", "cpu"):
                bare, ours, json = (median(one[measure] for one in names[key]) for key in ("bare", name, "json"))
                row[measure] = ours - bare
                row[f"{measure} ratio"] = (ours - bare) / (json - bare)
            result[flags][name] = row
    print("start: imports", flush=True)
    return result


def measure(rows: list[str], rounds: int, python: Callable[[str], Path], base: Path | None) -> dict[str, Any]:
    """From the start of the process to the first event in the kernel, and to the end of the last process.

    Seconds. ``first ratio`` is to a bare script that writes the same line; ``left`` are the processes that outlive
    their script, and ``left_seconds`` how long.
    """
    rows = ["plain", *(row for row in rows if row != "plain")]
    found: dict[str, list[dict[str, Any]]] = {row: [] for row in rows}
    lost: dict[str, Any] = {}
    for number in range(-1, rounds):
        for row in rows:
            if row in lost:
                continue
            name, _, variant = row.partition(":")
            adapter = Path(__file__).with_name("subjects") / f"{name}.py"
            with workplace(base) as place:
                try:
                    if row in SCRIPTS:
                        one = script(SCRIPTS[row], place, place / "log")
                    else:
                        one = script(ADAPTER, place, place / "log", adapter, variant, python=python(row))
                        imported = script(PEER_IMPORT, place, place / "log", adapter, python=python(row))
                        one["import"] = imported["printed"]
                except RuntimeError as error:
                    lost[row] = {"failed": str(error).splitlines()[-1]}
                    continue
            one["first"] = one["printed"] - one["started"]
            if number >= 0:
                found[row].append(one)
    print("start: first events", flush=True)
    first = median(one["first"] for one in found["plain"])
    result = dict(lost)
    for row, ones in found.items():
        if ones and row not in lost:
            result[row] = {
                name: median(one[name] for one in ones) for name in ("first", "wall", "left", "left_seconds")
            }
            result[row].update({"rounds": len(ones), "first ratio": result[row]["first"] / first})
            if "import" in ones[0]:
                result[row]["import"] = median(one["import"] for one in ones)
    return result
