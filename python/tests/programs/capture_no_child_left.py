import os
import signal
import threading
import time
import warnings

from mlvlogger import Exp

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts tests in the background ignores it
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of a fork of a program with threads

with Exp("runs", "e") as exp:
    with exp.capture():
        pass
    while any(thread.name == "mlv-capture" for thread in threading.enumerate()):
        time.sleep(0.01)
    try:
        os.waitpid(-1, 0)
    except ChildProcessError:
        pass
    else:
        raise AssertionError
