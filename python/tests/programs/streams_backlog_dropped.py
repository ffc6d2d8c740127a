import resource
import signal
import warnings
from pathlib import Path
from typing import Any

from mlvlogger import Logger

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def limit(more: Any) -> None:
    size = resource.RLIM_INFINITY if more is None else Path("a.jsonl").stat().st_size + more
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


from mlvlogger._write import backlog

backlog.MAX_SIZE = 1000
log = Logger("a.jsonl")
log.event("before")
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    limit(30)
    assert [log.event("x", number=number) for number in range(30)] == [None] * 30
    line = len('{"seq":12,"time":"2026-11-22T18:24:00.000000Z","event":"x","data":{"number":12}}\n')
    limit(4 * line)
    assert [log.event("x", number=number) for number in range(30, 35)] == [None] * 5
    limit(None)
    print(log.event("after"))
    assert log.event("last") is not None
log.close()
for warning in caught:
    print(warning.message)
