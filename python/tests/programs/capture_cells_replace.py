import signal
import sys
import warnings
from typing import Any

from mlvlogger import Exp

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts tests in the background ignores it
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of a fork of a program with threads

import io


class Cells(io.TextIOBase):
    def __init__(self) -> None:
        self.texts: list[str] = []
        self.parent: Any = None

    def write(self, text: str) -> Any:
        if not isinstance(text, str):
            raise TypeError("not a string")
        self.texts.append(text)
        return len(text)

    def set_parent(self, parent: Any) -> None:
        self.parent = parent

    def text(self) -> Any:
        return "".join(self.texts)


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
