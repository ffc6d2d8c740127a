import sys
import warnings
from typing import Any

from mlvlogger import Exp

warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of a fork of a program with threads
import ctypes
import io

c, notebook = ctypes.CDLL(None), io.StringIO()


def state() -> Any:
    streams = [sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__]
    buffers = [c.__flbf(ctypes.c_void_p.in_dll(c, "stdout"))] if hasattr(c, "__flbf") else []
    return [*map(id, streams), *[(s.line_buffering, s.write_through, "write" in vars(s)) for s in streams[2:]], buffers]  # type: ignore[union-attr]


c.puts(b"c has a buffer now")
before = state()
with Exp("runs", "e") as exp:
    for stdout in (sys.stdout, notebook):
        sys.stdout, original = stdout, sys.stdout
        with exp.capture():
            print("in")
        assert sys.stdout is stdout
        sys.stdout = original
        assert state() == before, (state(), before)
    assert notebook.getvalue() == "in\n"
print("the end", flush=True)
