from mlvlogger import Logger
from mlvlogger._write.process.ring import READY

log = Logger("a.jsonl", writer="process")
while not log._stream._destination.writer._ring.words[READY]:  # type: ignore[union-attr]
    pass
log.event("x", number=0)
print(log._stream._destination.writer._process.pid, flush=True)  # type: ignore[union-attr]
input()
