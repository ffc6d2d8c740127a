"""Logs events with pauses between them, as training does, and says how long the calls took.

timed.py EXPERIMENT SECONDS PAUSE: for so many seconds, with so many seconds of pause.
"""

import sys
import time
from pathlib import Path

from mlvlogger import Exp
from reporting import Source, attempt, report, report_warnings, writer

report_warnings()
path = Path(sys.argv[1])
seconds, pause = float(sys.argv[2]), float(sys.argv[3])
exp = Exp(path.parent, path.name, **writer())
source = Source(exp)
times = []
end = time.monotonic() + seconds
while time.monotonic() < end:
    began = time.perf_counter()
    attempt("event", source.event)
    times.append(time.perf_counter() - began)
    time.sleep(pause)
times.sort()
began = time.perf_counter()
attempt("close", exp.close)
closing = time.perf_counter() - began
report(f"times {len(times)} {times[len(times) // 2]} {times[len(times) * 99 // 100]} {times[-1]} {closing}")
