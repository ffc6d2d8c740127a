import os
import sys
import warnings

from mlvlogger import Logger
from programs.limits import limit_size

warnings.simplefilter("ignore")
for logs in (False, True):
    log = Logger(f"{logs}.jsonl")
    limit_size(os.stat(log.file).st_size + 5)
    assert log.event("parent", number=1) is None
    pid = os.fork()
    limit_size(None)
    if pid == 0:
        if logs:
            log.event("child")
        sys.exit()
    assert os.waitpid(pid, 0)[1] == 0
