"""Trains, with a checkpoint after every epoch, and continues from the last one: train.py EXPERIMENT EPOCHS STEPS [END].

END is how the session ends by itself, at a step that chance decides; by default it does not.
What depends on the checkpoint is the weight; it is in the name of each step's event.
"""

import json
import os
import random
import signal
import sys
from pathlib import Path

from mlvlogger import Exp
from reporting import Source, writer

directory, name = sys.argv[1].rsplit("/", 1)
epochs, steps = int(sys.argv[2]), int(sys.argv[3])
end = sys.argv[4] if len(sys.argv) > 4 else ""
left = random.randrange(1, epochs * steps // 3) if end else 0

exp = Exp(directory, name, exists="resume", **writer())
signal.signal(signal.SIGTERM, lambda number, frame: (exp.log.pause("preempted"), sys.exit(143)))

checkpoint = Path("checkpoint.json")


def save(epoch: int) -> None:
    new = Path("checkpoint.new")
    new.write_text(json.dumps({"epoch": epoch, "weight": weight, "mark": exp.mark()}))
    new.replace(checkpoint)


first, weight = 0, 0
if checkpoint.exists():
    state = json.loads(checkpoint.read_text())
    first, weight = state["epoch"], state["weight"]
    exp.rewind(state["mark"], reason="preempted")
else:
    save(0)  # before the first step: a session that ends before its first epoch does has something to go back to

source = Source(exp)
for epoch in range(first, epochs):
    with source.span("epoch"):
        for _ in range(steps):
            weight += 1
            source.event(f"step-{weight}")
            left -= 1
            if left == 0:
                if end == "exception":
                    raise RuntimeError("the end")
                if end == "sys.exit":
                    sys.exit(3)
                if end == "os._exit":
                    os._exit(3)
                os.abort()
    save(epoch + 1)
    exp.attach(checkpoint)
exp.close()
