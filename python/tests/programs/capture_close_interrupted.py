"""Interrupts a close at every line of Python that ends the capture, and closes again."""

import linecache
import os
import sys
import time
from typing import Any

from mlvlogger import Exp, _output, read


class Stop(Exception):
    pass


def is_interrupted(exp: Exp, point: int) -> bool:
    count = 0

    def trace(frame: Any, kind: str, _: Any) -> Any:
        nonlocal count
        if not frame.f_code.co_filename.endswith(("_output.py", "_printing.py")):
            return None
        # Python calls the end of a with block at its first line, and no signal handler comes before that call.
        text = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
        if kind == "line" and not text.strip().startswith("with "):
            count += 1
            if count == point:
                sys.settrace(None)
                raise Stop
        return trace

    sys.settrace(trace)
    try:
        exp.close()
    except Stop:
        return True
    finally:
        sys.settrace(None)
    return False


_output._STOP_TIMEOUT = 100.0  # so that a close that waits for it takes longer than one on a busy machine
before = os.fstat(1)
point = 0
interrupted = True
while interrupted:
    point += 1
    exp = Exp("runs", f"e{point}")
    capture = exp.capture()
    print("captured")
    interrupted = is_interrupted(exp, point)
    begin = time.monotonic()
    exp.close()
    assert time.monotonic() - begin < 50, point
    assert os.path.samestat(os.fstat(1), before), point
    for name in ("log.jsonl", "log/output.jsonl"):
        with open(f"runs/e{point}/{name}") as log:
            assert '"mlv/end"' in log.read().splitlines()[-1], (point, name)
    assert [event.data["text"] for event in read(exp.path).events("stdout", stream="output")] == ["captured"]
assert point > 15, point
