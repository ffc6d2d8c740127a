"""Holds a stream, and starts a process that outlives it, whose pid it prints. Arguments: the writer, the process."""

import os
import subprocess
import sys
import time

from mlvlogger import Logger

log = Logger("a.jsonl", writer=sys.argv[1])
log.event("x")
log.flush()


def work() -> None:
    print(os.getpid(), flush=True)
    time.sleep(300)


way = sys.argv[2]
if way == "a forked child":
    if os.fork() == 0:
        work()
elif way == "a forked child that logs":
    if os.fork() == 0:
        log.event("y")
        work()
elif way == "a worker of multiprocessing":
    import multiprocessing

    multiprocessing.get_context("fork").Process(target=work).start()
elif way == "a program that it started":
    print(subprocess.Popen(["sleep", "300"], close_fds=False).pid, flush=True)
elif way == "a program of os.system":
    os.system("sleep 300 & echo $!")
else:
    raise ValueError(way)
time.sleep(300)
