import os
import signal
import sys
import warnings

from mlvlogger import Exp
from programs.cells import Cells

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts tests in the background ignores it
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of a fork of a program with threads

sys.stdout, sys.stderr = Cells(), Cells()

out, err = sys.stdout, sys.stderr
with Exp("runs", "e") as exp:
    exp.capture()
    assert print("a") is None and sys.stdout.write("é\udcff\n") == 3
    sys.stdout.writelines(["b", "\n"])
    print("warning", file=sys.stderr)
    print("\r 1%", end="")
    print("\r 2%")
    try:
        sys.stdout.write(b"bytes")  # type: ignore[arg-type]
    except TypeError:
        pass
    sys.stdout.set_parent("cell 2")
    sys.stdout.mine = 1  # type: ignore[attr-defined]
    assert isinstance(sys.stdout, Cells) and sys.stdout.writable is not None and not sys.stdout.closed
    if os.fork() == 0:
        print("forked")
        os._exit(0)
    os.wait()
    print("no end", end="")
assert (sys.stdout, sys.stderr) == (out, err) and (out.parent, out.mine) == ("cell 2", 1)  # type: ignore[attr-defined]
print("after")
assert out.text() == "a\né\udcff\nb\n\r 1%\r 2%\nno endafter\n" and err.text() == "warning\n"
