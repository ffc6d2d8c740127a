"""Logs while a timer interrupts it every millisecond with a handler that logs, too: storm.py EXPERIMENT EVENTS."""

import signal
import sys
from pathlib import Path
from typing import Any

from mlvlogger import Exp
from reporting import Source, attempt, report_warnings, writer

report_warnings()
path = Path(sys.argv[1])
exp = Exp(path.parent, path.name, **writer())
source, interruption = Source(exp), Source(exp, name=".handler")
attempt("event", source.event)
attempt("event", interruption.event)
handling = False


def handle(*_: Any) -> None:
    global handling
    if not handling:  # a slow machine would be in handlers of handlers for ever
        handling = True
        attempt("event", interruption.event)
        handling = False


signal.signal(signal.SIGALRM, handle)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
for number in range(int(sys.argv[2])):
    attempt("event", source.event)
    if number % 100 == 0:
        attempt("flush", exp.flush)
signal.setitimer(signal.ITIMER_REAL, 0)
attempt("close", exp.close)
