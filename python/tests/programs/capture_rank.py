import signal
import warnings

from mlvlogger import Exp

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts tests in the background ignores it
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of a fork of a program with threads

with Exp("runs", "e") as exp, Exp.join("runs/e", 3) as rank:
    with rank.capture():
        print("rank")
    for n in range(2):
        with exp.capture():
            print(n)
