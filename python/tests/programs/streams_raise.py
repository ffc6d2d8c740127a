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
assert log.event("one") == 2
limit(20)
for _ in range(2):
    try:
        log.event("two")
    except WriteFailed as error:
        assert isinstance(error.__cause__, OSError) and error.__cause__.strerror == "File too large"
        print(error)
    else:
        raise AssertionError
limit(None)
assert log.event("three") == 3
log.close()
