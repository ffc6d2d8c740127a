import sys
import warnings
from pathlib import Path

import oracle
import test_streams
from mlvlogger import LogClosed, Logger
from mlvlogger._write import backlog
from programs.limits import limit_growth

warnings.simplefilter("ignore")
backlog.MAX_SIZE = 300


def act() -> None:
    if sys.argv[1] == "raise":
        raise test_streams.Stop
    log.flush() if sys.argv[1] == "flush" else log.close()


number, more = 0, True
while more:
    number += 1
    Path("a.jsonl").unlink(missing_ok=True)
    log = Logger("a.jsonl")
    limit_growth(5)
    for _ in range(8):
        log.event("x")
    limit_growth(None)
    try:
        more = test_streams.at_each_call(act, lambda: log.event("y"))(number)  # type: ignore[arg-type]
        assert "y" in [event["event"] for event in oracle.check_stream(Path("a.jsonl"))]
    except test_streams.Stop:
        pass
    except LogClosed:
        assert sys.argv[1] == "close"
    if sys.argv[1] != "close":
        log.event("after")
    log.close()
    written = oracle.check_stream(Path("a.jsonl"))
    names = [event["event"] for event in written]
    assert 2 <= names.count("x") <= 5 and names.count("mlv/dropped") == 1, (number, names)
    assert names[-1] == "mlv/end", (number, names)
    assert sys.argv[1] == "close" or names[-2] == "after", (number, names)
assert number > 10
