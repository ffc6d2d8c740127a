import os
import sys

from mlvlogger import Exp
from programs.limits import limit_size

exp = Exp("runs", "e")
limit_size(50_000)
try:
    with exp.create("a", sys.argv[1]) as file:  # type: ignore[call-overload]
        file.write(b"x" * 100_000 if sys.argv[1] == "wb" else "x" * 100_000)
except OSError as error:
    print(error.strerror)
print(os.listdir("runs/e/files"))
