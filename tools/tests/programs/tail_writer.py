import sys
import time

from mlvlogger import Exp

with Exp("runs", "e") as exp:
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(200):
        with exp.log.span("epoch", n=number) as epoch:
            epoch.event("batch", step=number, loss=0.5)
        if number == 100:
            exp.stream("late").event("begins", step=1)
        time.sleep(0.002)
