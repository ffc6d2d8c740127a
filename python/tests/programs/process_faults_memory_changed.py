import os
import random
import signal
import sys

from mlvlogger import Logger
from test_process_faults import CHANGES
from writer_process import wait_for_writer

log = Logger("a.jsonl", writer="process")
writer = wait_for_writer(log)
for number in range(100):
    log.event("x", number=number)
log.flush()
os.kill(writer._process.pid, signal.SIGSTOP)
for number in range(100, 200):
    log.event("x", number=number)
CHANGES[sys.argv[1]](writer._ring, random.Random(1))
print(writer._process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
