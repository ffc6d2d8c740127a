"""Logs without a pause until it is killed, or so many events: burst.py EXPERIMENT [EVENTS [THREADS]]."""

import sys
import threading

from mlvlogger import Exp
from said import Source, writer

directory, name = sys.argv[1].rsplit("/", 1)
events = int(sys.argv[2]) if len(sys.argv) > 2 else 2**60
threads = int(sys.argv[3]) if len(sys.argv) > 3 else 1

exp = Exp(directory, name, exists="resume", **writer())


def work(number: int) -> None:
    source = Source(exp, name=f".{number}")
    for _ in range(events):
        source.event()


others = [threading.Thread(target=work, args=(number,)) for number in range(1, threads)]
for other in others:
    other.start()
work(0)
for other in others:
    other.join()
exp.close()
