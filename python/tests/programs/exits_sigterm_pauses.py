import sys
from pathlib import Path
from typing import Any

import oracle
import test_streams
from mlvlogger import Logger
from mlvlogger._write import seals

seals._SEAL_EVERY, seals._HASH_EVERY = 700, 150
path = Path("a.jsonl")
number, more = 0, True
while more:
    number += 1
    path.unlink(missing_ok=True)
    acknowledged: list[Any] = []

    def handler() -> None:
        log.pause("SIGTERM")
        sys.exit(143)

    def work() -> None:
        with log.span("epoch") as epoch:
            for _ in range(2):
                acknowledged.append(epoch.event("x", text="y" * 200))
        acknowledged.append(log.event("x", text="y" * 200))
        log.flush()

    try:
        with Logger(path) as log:
            more = test_streams.at_each_call(handler, work)(number)
    except SystemExit as error:
        assert error.code == 143
    events = oracle.check_stream(path)
    names = [event["event"] for event in events]
    if more:
        assert names[-1] == "mlv/seal" and names.count("mlv/pause") == 1, (number, names)
        assert set(names[names.index("mlv/pause") + 1 :]) <= {"epoch", "mlv/seal"}, (number, names)
    else:
        assert names[-1] == "mlv/end" and "mlv/pause" not in names
    assert {"x", "epoch/x"} >= {events[seq - 1]["event"] for seq in acknowledged}, number
    with Logger(path) as log:
        log.event("after")
    assert [event["event"] for event in oracle.check_stream(path)][-2:] == ["after", "mlv/end"]
assert number > 100
