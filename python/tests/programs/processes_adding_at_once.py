import itertools
import os
import sys

from mlvlogger import Exp
from mlvlogger._environment import snapshot

snapshot.capture = lambda **_: {"command": [], "host": {}, "runtime": {}}
acknowledged = os.open("acknowledged", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
for number in itertools.count():
    exp = Exp.open("runs/e", {f"{sys.argv[1]}-{number}": number})
    os.write(acknowledged, b"%s-%d\n" % (sys.argv[1].encode(), number))
    print(number, flush=True)
    exp.log.event("x")
    if number % 2:
        exp.close()
