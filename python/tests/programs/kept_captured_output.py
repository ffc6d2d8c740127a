"""Arguments: a function of test_kept that changes the log, and `on_error`."""

import sys
import time
from pathlib import Path

import test_kept
from mlvlogger import Exp

exp = Exp("runs", "e", on_error=sys.argv[2])
log = Path("runs/e/log/output.jsonl")
with exp.capture():
    for step in range(3):
        print("line", step, flush=True)
    while log.read_bytes().count(b"line") < 3:
        time.sleep(0.01)
    getattr(test_kept, sys.argv[1])(log)
    time.sleep(1.1)
    for step in range(3, 6):
        print("line", step, flush=True)
exp.close()
