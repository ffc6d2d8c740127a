"""Prints the modules that an import, and then an event, load; argument: the folder of the package."""

import sys

sys.path.insert(0, sys.argv[1])


def new() -> list[str]:
    names = {name for name in set(sys.modules) - before if not name.startswith("mlvlogger.")}
    before.update(sys.modules)
    return sorted(names)


import os

before = set(sys.modules)
import mlvlogger

print(new())
log = mlvlogger.Logger("x.jsonl")
log.event("batch", step=1, loss=0.5, note="text", nested={"a": [None, True]})
print(new())
os._exit(0)
