"""Memory of a process that logs, compared with a bare interpreter: is it flat in the number of events?"""

from pathlib import Path
from statistics import median
from typing import Any

from processes import script, workplace

__all__ = ["ROUNDS", "measure"]

ROUNDS = 3
EVENTS = [1_000, 100_000, 1_000_000]

# Read without an import, which would be counted. The children are those of a process writer.
MEMORY = """
def memory(pid="self"):
    with open(f"/proc/{pid}/smaps_rollup") as file:
        sizes = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in file if line.endswith("kB\\n")}
    return {"rss": sizes["Rss"], "pss": sizes["Pss"], "anonymous": sizes["Anonymous"]}

def tree():
    with open("/proc/self/task/" + str(__import__("os").getpid()) + "/children") as file:
        return [memory(), *(memory(pid) for pid in file.read().split())]
"""

BARE = MEMORY + "print('result:', str([[0, tree()]]).replace(\"'\", '\"'))"

LOOP = """
found, step = [], 0
for events in EVENTS:
    while step < events:
        log(step)
        step += 1
    found.append([events, tree()])
print("result:", str(found).replace("'", '"'))
"""

PLAIN = """
import json, os, sys
from datetime import datetime, timezone
fd, seq = os.open(sys.argv[1] + "/log.jsonl", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o666), 0
def log(step):
    global seq
    seq += 1
    data = {"step": step, "loss": 1 / (step + 3), "accuracy": 0.5, "lr": 0.0003}
    line = {"seq": seq, "time": datetime.now(timezone.utc).isoformat(), "event": "batch", "data": data}
    os.write(fd, (json.dumps(line) + "\\n").encode())
"""

LOGGER = """
import sys
from mlvlogger import Logger
logger = Logger(sys.argv[1] + "/log.jsonl"OPTION)
def log(step):
    logger.event("batch", step=step, loss=1 / (step + 3), accuracy=0.5, lr=0.0003)
"""


def measure(rounds: int, base: Path | None) -> dict[str, Any]:
    """Bytes of the logging process and of it with its children, after each number of events, over a bare interpreter's.

    RSS of one process; PSS of all, in which what processes share counts once.
    """
    loop = MEMORY + LOOP.replace("EVENTS", str(EVENTS))
    direct, process = (LOGGER.replace("OPTION", option) for option in ("", ', writer="process"'))
    texts = {"bare": BARE, "plain": PLAIN + loop, "mlv:direct": direct + loop, "mlv:process": process + loop}
    found: dict[str, list[Any]] = {name: [] for name in texts}
    lost: dict[str, Any] = {}
    for number in range(rounds):
        for name, text in texts.items():
            if name not in lost:
                try:
                    with workplace(base) as place:
                        found[name].append(script(text, place, place / "log")["printed"])
                except RuntimeError as error:
                    lost[name] = {"failed": str(error).splitlines()[-1]}
        print(f"memory: round {number + 1} of {rounds}", flush=True)
    bare = {kind: median(one[0][1][0][kind] for one in found["bare"]) for kind in ("rss", "pss", "anonymous")}
    result: dict[str, Any] = {**lost, "bare": bare}
    for name in texts:
        if name not in lost and name != "bare":
            result[name] = {}
            for place_, events in enumerate(EVENTS):
                trees = [one[place_][1] for one in found[name]]
                result[name][str(events)] = {
                    **{kind: median(tree[0][kind] for tree in trees) - bare[kind] for kind in bare},
                    "tree pss": median(sum(process["pss"] for process in tree) for tree in trees) - bare["pss"],
                    "processes": len(trees[0]),
                }
    return result
