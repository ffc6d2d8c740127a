import os
import signal
import sys

from mlvlogger import Logger

signal.signal(signal.SIGINT, signal.default_int_handler)
log = Logger("a.jsonl", writer=sys.argv[1])
log.event("x")
os.kill(os.getpid(), signal.SIGINT)
signal.pause()
