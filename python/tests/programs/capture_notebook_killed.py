import os
import signal
import sys
import threading
import time
import warnings

from mlvlogger import Exp
from programs.cells import Cells

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts tests in the background ignores it
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of a fork of a program with threads

sys.stdout, sys.stderr = Cells(), Cells()

warnings.simplefilter("ignore")
before = len(os.listdir("/proc/self/fd"))
for sign in (signal.SIGKILL, signal.SIGSTOP):
    exp = Exp("runs", "e", exists="number")
    capture = exp.capture()
    os.kill(capture._redirection.pid, sign)

    def resume() -> None:
        time.sleep(0.3)
        os.kill(capture._redirection.pid, signal.SIGCONT)  # noqa: F821

    if sign == signal.SIGSTOP:
        threading.Thread(target=resume).start()
    for n in range(300):
        print("x" * 1000)  # more than a pipe holds
    exp.close()
    del exp, capture
    assert sys.stdout.text().count("x") == 300_000, len(sys.stdout.text())
    sys.stdout.texts.clear()
until = time.monotonic() + 60
while len(os.listdir("/proc/self/fd")) > before and time.monotonic() < until:
    time.sleep(0.01)
assert len(os.listdir("/proc/self/fd")) == before
