import signal
import sys
import threading
import warnings
from typing import Any

from mlvlogger import Exp
from programs.cells import Cells

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts tests in the background ignores it
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of a fork of a program with threads

sys.stdout, sys.stderr = Cells(), Cells()


def work(n: Any) -> None:
    for i in range(300):
        sys.stdout.write(f"{n} {i} {'x' * 1000}\n")


with Exp("runs", "e") as exp, exp.capture():
    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    [thread.start() for thread in threads]  # type: ignore[func-returns-value]
    [thread.join() for thread in threads]  # type: ignore[func-returns-value]
