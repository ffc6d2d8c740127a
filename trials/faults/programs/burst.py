"""Logs without a pause until it is killed or asked to end, or so many rounds: burst.py EXPERIMENT [ROUNDS [THREADS]].

A round is two events, every twentieth a span of two. The first thread logs into a second stream, too.
"""

import sys
import threading

from mlvlogger import Exp
from reporting import Source, must_end, writer

directory, name = sys.argv[1].rsplit("/", 1)
rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 2**60
threads = int(sys.argv[3]) if len(sys.argv) > 3 else 1

exp = Exp(directory, name, exists="resume", **writer())
gpu = exp.stream("gpu")


def work(number: int) -> None:
    source = Source(exp, name=f".{number}")
    other = source if number else Source(exp, gpu, ".gpu")
    for turn in range(rounds):
        if turn % 20:
            source.event()
            other.event()
        elif must_end():
            break
        else:
            with source.span("epoch"):
                source.event()
                other.event()


others = [threading.Thread(target=work, args=(number,)) for number in range(1, threads)]
for thread in others:
    thread.start()
work(0)
for thread in others:
    thread.join()
exp.close()
