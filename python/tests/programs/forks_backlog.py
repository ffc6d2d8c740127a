import os
import resource
import signal
import sys
import warnings

from mlvlogger import Logger

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
warnings.simplefilter("ignore")
for logs in (False, True):
    log = Logger(f"{logs}.jsonl")
    resource.setrlimit(resource.RLIMIT_FSIZE, (os.stat(log.file).st_size + 5, resource.RLIM_INFINITY))
    assert log.event("parent", number=1) is None
    pid = os.fork()
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    if pid == 0:
        if logs:
            log.event("child")
        sys.exit()
    assert os.waitpid(pid, 0)[1] == 0
