import signal
import time
import warnings

from mlvlogger import Exp

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts tests in the background ignores it
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of a fork of a program with threads

with Exp("runs", "e") as exp, exp.capture():
    try:
        print("ready", flush=True)
        for _ in range(6000):  # a signal that comes right before a system call does not end this one
            time.sleep(0.01)
    except KeyboardInterrupt:
        print("interrupted")
