import os
import signal
import subprocess
import sys
import warnings

from mlvlogger import Exp

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts tests in the background ignores it
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of a fork of a program with threads

import ctypes

print("before")
with Exp("runs", "e") as exp:
    with exp.capture():
        print("python", flush=True)
        print("error", file=sys.stderr)
        ctypes.CDLL(None).puts(b"c code")
        ctypes.CDLL(None).fflush(None)
        subprocess.run(["echo", "child"])
        os.write(1, b"caf\xe9\n")
        if os.fork() == 0:
            print("forked")
            sys.stdout.flush()
            os._exit(0)
        os.wait()
        print("no end", end="")
    print(" after")
print("last")
