import sys

from mlvlogger import Exp

print("ready", flush=True)
with Exp.join("runs/e", int(sys.argv[1]), timeout=200) as exp:
    for number in range(20):
        exp.log.event("x", number=number)
