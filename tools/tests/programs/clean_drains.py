"""Kills itself while its writer process, whose pid it prints, is stopped and has an event. Argument: the experiment."""

import os
import signal
import sys
from typing import Any

from mlvlogger import Exp

exp = Exp.resume(sys.argv[1], writer="process")
writer: Any = exp.log._stream._destination.writer
pid = writer._process.pid
os.kill(pid, signal.SIGSTOP)
exp.log.event("last", n=1)
print(pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
