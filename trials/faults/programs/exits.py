"""Logs, and ends in one of many ways without a close: exits.py EXPERIMENT HOW."""

import atexit
import multiprocessing
import os
import signal
import sys
import threading
import time

from mlvlogger import Exp
from reporting import Source, writer

directory, name = sys.argv[1].rsplit("/", 1)
how = sys.argv[2]


def some(source: Source) -> None:
    for _ in range(200):
        source.event()


def forever(source: Source) -> None:
    while True:
        source.event()


class Last:
    """Logs when it is collected: of a module's global, while the interpreter shuts down."""

    def __del__(self) -> None:
        some(Source(exp, name=".del"))


if how == "atexit":  # registered before the logger could register anything, so it runs after that
    atexit.register(lambda: some(Source(exp, name=".atexit")))
exp = Exp(directory, name, exists="resume", **writer())
source = Source(exp)
some(source)
if how == "exception":
    raise RuntimeError("the end")
if how == "sys.exit":
    sys.exit(3)
if how == "os._exit":
    os._exit(3)
if how == "os._exit in a thread":
    threading.Thread(target=lambda: (some(Source(exp, name=".thread")), os._exit(3))).start()
    forever(source)
if how == "os.abort":
    os.abort()
if how == "SIGTERM, recorded":
    signal.signal(signal.SIGTERM, lambda number, frame: (exp.log.pause("preempted"), sys.exit(143)))
if how.startswith("SIG"):
    forever(source)
if how == "a thread continues":
    threading.Thread(target=some, args=[Source(exp, name=".thread")]).start()
if how == "a daemon thread continues":
    threading.Thread(target=forever, args=[Source(exp, name=".thread")], daemon=True).start()
    time.sleep(0.02)
if how == "a daemon process continues":
    context = multiprocessing.get_context("fork")
    context.Process(target=forever, args=[source], daemon=True).start()
    time.sleep(0.05)
if how == "as a daemon":
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    some(source)
if how == "__del__":
    last = Last()
