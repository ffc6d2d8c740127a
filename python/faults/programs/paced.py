"""Logs an event every so many milliseconds, as training does: paced.py EXPERIMENT EVENTS MILLISECONDS."""

import sys
import time

from mlvlogger import Exp
from said import Source, writer

directory, name = sys.argv[1].rsplit("/", 1)
exp = Exp(directory, name, exists="resume", **writer())
source = Source(exp)
for _ in range(int(sys.argv[2])):
    source.event()
    time.sleep(float(sys.argv[3]) / 1000)
exp.close()
