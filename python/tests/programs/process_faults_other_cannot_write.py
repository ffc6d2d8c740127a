import signal
import sys
import time
import warnings
from pathlib import Path

from mlvlogger import Logger, WriteFailed
from mlvlogger._write.process.ring import READY
from programs.limits import limit_size

log = Logger("a.jsonl", writer="process", on_error=sys.argv[1])
pid = log._stream._destination.writer._process.pid  # type: ignore[union-attr]
while not log._stream._destination.writer._ring.words[READY]:  # type: ignore[union-attr]
    time.sleep(0.001)
log.event("x", number=0)
log.flush()
limit_size(Path("a.jsonl").stat().st_size + 1000, pid)
seqs = [log.event("x", number=number) for number in range(1, 40)]
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    try:
        log.close()
    except WriteFailed as error:
        assert sys.argv[1] == "raise"
        print(error)
print(*(warning.message for warning in caught), sep="\n")
import os

os.kill(pid, signal.SIGKILL)
