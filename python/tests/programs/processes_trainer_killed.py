import os
import signal

from mlvlogger import Logger

log = Logger("a.jsonl", writer="process")
log.event("x")
log.flush()
writer = log._stream._destination.writer._process.pid  # type: ignore[union-attr]
os.kill(writer, signal.SIGSTOP)
for number in range(1000):
    log.event("x", number=number)
print(writer, flush=True)
input()
