import os
import signal
import warnings

from mlvlogger import Exp

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts tests in the background ignores it
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of a fork of a program with threads

import warnings

warnings.simplefilter("ignore")
exp = Exp("runs", "e")
capture = exp.capture()
os.kill(capture._redirection.pid, 9)
for n in range(20000):
    print(n)
exp.close()
print("end")
