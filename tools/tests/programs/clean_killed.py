import os
import signal
import sys

from mlvlogger import Exp

exp = Exp(sys.argv[1], "killed")
file = exp.create("model.bin")
file.write(b"x" * 100_000)
file.flush()
os.kill(os.getpid(), signal.SIGKILL)
