import os
import signal
import sys

from mlvlogger import Exp

with Exp("runs", "e") as exp:
    signal.signal(signal.SIGTERM, lambda *_: (exp.log.pause("SIGTERM"), sys.exit(143)))
    for _ in range(2):
        pid = os.fork()
        if pid == 0:
            os.kill(os.getpid(), signal.SIGTERM)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 143
    exp.log.event("after")
