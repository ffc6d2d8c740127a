import io
import signal
import sys
import warnings
from typing import Any

from mlvlogger import Exp
from programs.cells import Cells

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts tests in the background ignores it
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of a fork of a program with threads

sys.stdout, sys.stderr = Cells(), Cells()

import contextlib

shown: list[str] = []


@contextlib.contextmanager
def cell() -> Any:
    stream, write = sys.stdout, sys.stdout.write
    stream.write = lambda text: (shown.append(text), write(text))[1]  # type: ignore[func-returns-value,method-assign]
    yield
    stream.write = write  # type: ignore[method-assign]


exp = Exp("runs", "e")
with cell():
    exp.capture()
    print("one")
with cell():
    print("two")
    with contextlib.redirect_stdout(io.StringIO()):
        print("hidden")
with cell():
    print("three")
    exp.close()
    print("after")
with cell():
    print("last")
assert type(sys.stdout) is Cells and sys.stdout.text() == "one\ntwo\nthree\nafter\nlast\n"
with Exp.resume("runs/e") as exp, exp.capture():
    print("again")
