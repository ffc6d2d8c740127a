"""Log, add, attach and close, while calls of the system fail; each line says what a call returned or raised."""

import json
import sys
import warnings
from pathlib import Path

from mlvlogger import Exp

writer, durability = sys.argv[1:]
warnings.simplefilter("ignore")
Path("source.bin").write_bytes(b"weights" * 1000)
exp = Exp(".", "runs", {"lr": 0.1}, writer=writer, durability=durability)
print("made", flush=True)
input()  # the calls fail from here on
for number in range(20):
    seq = exp.log.event("batch", {"number": number})
    print(json.dumps(["event", number, seq]), flush=True)
try:
    exp.log.flush()
    exp.attach("source.bin")
    exp.stream("gpu").event("load", {"percent": 50})
except OSError as error:
    print(json.dumps(["raised", type(error).__name__]), flush=True)
print("lift", flush=True)
input()  # the calls go through again
exp.log.event("after")
exp.close()
