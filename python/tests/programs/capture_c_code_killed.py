import os
import signal
import sys
import warnings

from mlvlogger import Exp

warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of a fork of a program with threads
import ctypes

c = ctypes.CDLL(None)
if not hasattr(c, "gnu_get_libc_version"):
    sys.exit(3)
c.puts(b"before")
Exp("runs", "e").capture()
c.puts(b"c code")
print("python")
c.printf(b"the end\n")
os.kill(os.getpid(), signal.SIGKILL)
