import signal
import subprocess
import warnings

from mlvlogger import Exp

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts tests in the background ignores it
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of a fork of a program with threads

with Exp("runs", "e") as exp, exp.capture():
    child = subprocess.Popen(["sh", "-c", "read line; echo child"], stdin=subprocess.PIPE)
    print("in")
child.communicate(b"\n")
