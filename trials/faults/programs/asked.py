"""Does to an experiment what it is asked, a line each: asked.py EXPERIMENT ON_ERROR DURABILITY [BUFFER].

BUFFER is the size in bytes of what the logger keeps in memory while the system refuses to write.
Each line is answered with the seconds of the slowest call.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlvlogger import Exp
from mlvlogger._write import backlog
from reporting import Source, attempt, report_warnings, writer

report_warnings()
path = Path(sys.argv[1])
if len(sys.argv) > 4:
    backlog.MAX_SIZE = int(sys.argv[4])
options = {"on_error": sys.argv[2], "durability": sys.argv[3], **writer()}
exp = Exp(path.parent, path.name, exists="resume", **options)
source = Source(exp)
calls: dict[str, Callable[..., Any]] = {
    "event": source.event,
    "flush": exp.flush,
    "close": exp.close,
    "attach": exp.attach,
    "stream": exp.stream,
}
for line in sys.stdin:
    what, *arguments = line.split()
    times = int(arguments.pop()) if what == "event" else 1
    slowest = 0.0
    for _ in range(times):
        began = time.perf_counter()
        attempt(what, calls[what], *arguments)
        slowest = max(slowest, time.perf_counter() - began)
    print(slowest, flush=True)
