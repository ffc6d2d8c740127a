import signal
import warnings

from mlvlogger import Exp

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts tests in the background ignores it
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of a fork of a program with threads

import ctypes

with Exp("runs", "e") as exp, exp.capture():
    ctypes.PyDLL(None).puts(b"x" * 1_000_000)
