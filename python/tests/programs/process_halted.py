import os
import signal
import time
from typing import Any

from mlvlogger import Logger

log = Logger("a.jsonl", writer="process")
writer: Any = log._stream._destination.writer
while not writer._ring.words[5]:
    time.sleep(0.001)
log.event("x", number=0)
log.flush()
os.kill(writer._process.pid, signal.SIGSTOP)
for number in range(1, 4000):
    log.event("x", number=number)
print(writer._process.pid, flush=True)
input()
