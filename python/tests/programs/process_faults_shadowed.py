import os
import sys
import time
import warnings

sys.path.append(sys.argv[1])
warnings.simplefilter("error")
from mlvlogger import Exp

with Exp("runs", "e", writer="process") as exp:
    words = exp.log._stream._destination.writer._ring.words  # type: ignore[union-attr]
    while not words[5]:
        exp.log.event("waits")
        time.sleep(0.001)
    exp.log.event("x", number=0)
    with exp.capture():
        os.write(1, b"hello\n")
    exp.log.flush()
    assert exp.log._stream._destination.writer._successor is None  # type: ignore[union-attr]
