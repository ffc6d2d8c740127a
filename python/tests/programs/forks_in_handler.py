import os
import sys
import traceback
import warnings
from pathlib import Path

import oracle
import test_streams
from mlvlogger import Logger

warnings.simplefilter("error")
then = sys.argv[1]
log = Logger("a.jsonl", writer=sys.argv[2])
number, more, children = 0, True, 0
while more:
    number += 1
    pid, mine = None, []  # type: ignore[var-annotated]

    def handler() -> None:
        global pid
        pid = os.fork()
        if pid == 0 and "logs" in then:
            log.event("child")
        if pid == 0 and "files" in then:
            mine.extend(open(f"mine-{number}-{other}", "w") for other in range(9))
        if pid == 0 and "leaves" in then:
            os._exit(0)

    def work() -> None:
        with log.span("span") as span:
            span.event("x")
            log.event("y", text="z" * 2000)

    try:
        more = test_streams.at_each_call(handler, work)(number)
        if pid == 0:
            log.event("child")
            log.close()
            assert [os.stat(file.name).st_size for file in mine] == [0] * len(mine), "a line in the user's file"
            os._exit(0)
    except BaseException:
        if pid == 0:
            traceback.print_exc()
            os._exit(1)
        raise
    if pid is not None:
        children += 1
        assert os.waitpid(pid, 0)[1] == 0, number
log.close()
written = [event["event"] for event in oracle.check_stream(Path("a.jsonl"))]
assert written == ["mlv/start", *["span", "span/x", "y", "span"] * number, "mlv/end"]
streams = [oracle.check_stream(path) for path in Path().glob("a.fork-*.jsonl")]
assert len(streams) == children > 50
assert all("child" in [event["event"] for event in events] for events in streams)
