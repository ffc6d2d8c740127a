import os
import signal
import subprocess
import sys
import warnings

from mlvlogger import Exp
from programs.cells import Cells

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts tests in the background ignores it
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of a fork of a program with threads

sys.stdout, sys.stderr = Cells(), Cells()

with Exp("runs", "e") as exp, exp.capture():
    print("cell")
    subprocess.run(["echo", "child"])
    os.write(2, b"raw\n")
    print("to the terminal", file=sys.__stdout__)
