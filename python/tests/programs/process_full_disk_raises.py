import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any

from mlvlogger import Logger, WriteFailed
from mlvlogger._write.process.ring import READY

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
log = Logger("a.jsonl", writer="process", on_error=sys.argv[1])


def limit(size: Any) -> None:
    infinity = resource.RLIM_INFINITY
    limits = (infinity if size is None else size, infinity)
    resource.prlimit(log._stream._writer._process.pid, resource.RLIMIT_FSIZE, limits)  # type: ignore[attr-defined]


while not log._stream._writer._ring.words[READY]:  # type: ignore[attr-defined]
    time.sleep(0.001)
log.event("x", number=0)
log.flush()
limit(Path("a.jsonl").stat().st_size + 200)

kept, raised, number = [0], 0, 0
while raised < 50:
    number += 1
    try:
        log.event("x", number=number)
    except WriteFailed as error:
        assert error.__cause__.errno == 27, error  # type: ignore[union-attr]
        raised += 1
    else:
        kept.append(number)
    time.sleep(0.001)
try:
    log.flush()
except WriteFailed as error:
    print(error)
limit(None)
while True:
    number += 1
    try:
        log.event("x", number=number)
    except WriteFailed:  # it has not tried again yet
        time.sleep(0.01)
    else:
        break
log.close()
print(*kept, number)
