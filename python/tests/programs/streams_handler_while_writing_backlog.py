import resource
import signal
import warnings
from pathlib import Path
from typing import Any

from mlvlogger import LogClosed, Logger

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def limit(more: Any) -> None:
    size = resource.RLIM_INFINITY if more is None else Path("a.jsonl").stat().st_size + more
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


import sys

from mlvlogger._write import backlog

sys.path.insert(0, sys.argv[1])
import oracle
import test_streams

warnings.simplefilter("ignore")
backlog.MAX_SIZE = 300


def act() -> None:
    if sys.argv[2] == "raise":
        raise test_streams.Stop
    log.flush() if sys.argv[2] == "flush" else log.close()


number, more = 0, True
while more:
    number += 1
    Path("a.jsonl").unlink(missing_ok=True)
    log = Logger("a.jsonl")
    limit(5)
    for _ in range(8):
        log.event("x")
    limit(None)
    try:
        more = test_streams.at_each_call(act, lambda: log.event("y"))(number)  # type: ignore[arg-type]
        assert "y" in [event["event"] for event in oracle.check_stream(Path("a.jsonl"))]
    except test_streams.Stop:
        pass
    except LogClosed:
        assert sys.argv[2] == "close"
    if sys.argv[2] != "close":
        log.event("after")
    log.close()
    written = oracle.check_stream(Path("a.jsonl"))
    names = [event["event"] for event in written]
    assert 2 <= names.count("x") <= 5 and names.count("mlv/dropped") == 1, (number, names)
    assert names[-1] == "mlv/end", (number, names)
    assert sys.argv[2] == "close" or names[-2] == "after", (number, names)
assert number > 10
