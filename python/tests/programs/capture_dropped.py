import gc
import os
import sys

from mlvlogger import Exp

gc.disable()
before = os.fstat(1), os.fstat(2), sys.stdout
for number in range(3):
    exp = Exp("runs", "e", exists="number")
    exp.capture()
    print("in", number)
log = exp.log.sub("train")
del exp
print("still in")  # as long as a logger lives
del log
assert sys.stdout is before[2]
assert os.path.samestat(os.fstat(1), before[0]) and os.path.samestat(os.fstat(2), before[1])
print("out")
with Exp.resume("runs/e_2") as exp, exp.capture():
    print("in again")
