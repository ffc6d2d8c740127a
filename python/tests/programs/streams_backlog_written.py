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


import sys

warnings.simplefilter("ignore")
log = Logger("a.jsonl")
limit(5)
log.event("x")
limit(None)
if sys.argv[1] == "flush":
    log.flush()
    assert b'"x"' in Path("a.jsonl").read_bytes()
elif sys.argv[1] == "close":
    log.close()
