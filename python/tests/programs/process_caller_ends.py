import os
import signal
import sys

from mlvlogger import Logger

log = Logger("a.jsonl", writer="process")
for number in range(500):
    log.event("x", number=number)
way = sys.argv[1]
if way == "exit":
    sys.exit(3)
elif way == "_exit":
    os._exit(3)
elif way == "abort":
    os.abort()
elif way == "raise":
    raise ValueError
elif way.startswith("SIG"):
    os.killpg(0, getattr(signal, way))
