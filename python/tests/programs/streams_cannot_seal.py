import resource
import signal
import warnings
from pathlib import Path
from typing import Any

from mlvlogger import Logger, WriteFailed

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def limit(more: Any) -> None:
    size = resource.RLIM_INFINITY if more is None else Path("a.jsonl").stat().st_size + more
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


import sys

log = Logger("a.jsonl", on_error=sys.argv[1])
log.event("x")
limit(20)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    try:
        log.close()
    except WriteFailed as error:
        print(error)
print(*(warning.message for warning in caught), sep="\n")
limit(None)
log.close()
Logger("a.jsonl").close()
