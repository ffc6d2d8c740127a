"""Arguments: the log, and whether the script handles SIGTERM."""

import signal
import sys

from mlvlogger import Logger

if sys.argv[2] == "True":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
with Logger(sys.argv[1]) as log:
    log.event("x")
    print("ready", flush=True)
    input()
