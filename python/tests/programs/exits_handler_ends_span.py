import sys
from pathlib import Path

import oracle
import test_streams
from mlvlogger import Logger

path = Path("a.jsonl")
number, more = 0, True
while more:
    number += 1
    path.unlink(missing_ok=True)
    with Logger(path) as log:
        with log.span("epoch") as epoch:

            def work() -> None:
                epoch.event("x")
                with epoch.span("batch") as batch:
                    batch.event("x")
                epoch.end(number=1)

            more = test_streams.at_each_call(lambda: eval(sys.argv[1]), work)(number)
    oracle.check_stream(path)
assert number > 50
