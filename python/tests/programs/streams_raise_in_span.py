import resource
import signal
from pathlib import Path
from typing import Any

from mlvlogger import Logger, WriteFailed

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def limit(more: Any) -> None:
    size = resource.RLIM_INFINITY if more is None else Path("a.jsonl").stat().st_size + more
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


log = Logger("a.jsonl", on_error="raise")
span = log.span("a")
limit(5)
try:
    span.end()
except WriteFailed:
    pass
else:
    raise AssertionError
limit(None)
assert span.is_open and span.end() == 3
log.close()
