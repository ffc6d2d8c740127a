import signal
import warnings

from mlvlogger import Exp
from programs.limits import limit_size

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts tests in the background ignores it
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of a fork of a program with threads


exp = Exp("runs", "e")
limit_size(20000)
exp.capture()
for n in range(2000):
    print(n)
    exp.log.event("n", n=n)
exp.close()
