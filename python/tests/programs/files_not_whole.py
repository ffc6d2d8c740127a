import os
import resource
import signal
import sys

from mlvlogger import Exp

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
exp = Exp("runs", "e")
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
try:
    with exp.create("a", sys.argv[1]) as file:  # type: ignore[call-overload]
        file.write(b"x" * 100_000 if sys.argv[1] == "wb" else "x" * 100_000)
except OSError as error:
    print(error.strerror)
print(os.listdir("runs/e/files"))
