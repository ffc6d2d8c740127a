import resource
import signal
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from mlvlogger import Logger
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

warnings.simplefilter("ignore")
number = 0
while log.event("x", number=(number := number + 1)) is not None:
    time.sleep(0.001)
for number in range(number + 1, number + 100):  # noqa: B020
    log.event("x", number=number)
with warnings.catch_warnings():
    warnings.simplefilter("error")
    limit(None)
    getattr(log, sys.argv[2])()
log.close()
print(number)
