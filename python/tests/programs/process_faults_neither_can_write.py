import os
import signal
import time
import warnings
from pathlib import Path
from typing import Any

from mlvlogger import Logger
from programs.limits import limit_size

log = Logger("a.jsonl", writer="process")
writer: Any = log._stream._destination.writer
while not writer._ring.words[5]:
    time.sleep(0.001)
log.event("x", number=0)
log.flush()
os.kill(writer._process.pid, signal.SIGSTOP)
for number in range(1, 40):
    log.event("x", number=number)
os.kill(writer._process.pid, signal.SIGKILL)
limit_size(Path("a.jsonl").stat().st_size + 1000)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    log.close()
print(*(warning.message for warning in caught), sep="\n")
