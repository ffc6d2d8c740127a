"""Arguments: the writer, whether the child logs, and the statement with which it exits."""

import os
import signal  # noqa: F401
import sys

from mlvlogger import Exp

with Exp("runs", "e", writer=sys.argv[1]) as exp:
    gpu = exp.stream("gpu")
    gpu.event("parent")
    with exp.log.span("epoch") as epoch:
        pid = os.fork()
        if pid == 0:
            if sys.argv[2] == "True":
                epoch.event("child")
            exec(sys.argv[3])
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        assert exp.log.event("parent") == 3 and epoch.is_open
    gpu.event("parent")
