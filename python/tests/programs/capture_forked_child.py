import os
import signal
import warnings

from mlvlogger import Exp

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts tests in the background ignores it
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of a fork of a program with threads

with Exp("runs", "e") as exp, exp.capture() as capture:
    if os.fork() == 0:
        capture.stop()
        print("child", flush=True)
        os._exit(0)
    os.wait()
    print("parent")
