import signal
import warnings

from mlvlogger import Exp

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts tests in the background ignores it
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of a fork of a program with threads

import resource
import signal

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
exp = Exp("runs", "e")
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, resource.RLIM_INFINITY))
exp.capture()
for n in range(2000):
    print(n)
    exp.log.event("n", n=n)
exp.close()
