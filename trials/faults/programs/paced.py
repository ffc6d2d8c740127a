"""Logs an event every so many milliseconds until it is asked to end: paced.py EXPERIMENT MILLISECONDS."""

import sys
import time

from mlvlogger import Exp
from reporting import Source, must_end, writer

directory, name = sys.argv[1].rsplit("/", 1)
exp = Exp(directory, name, exists="resume", **writer())
source = Source(exp)
while not must_end():
    source.event()
    time.sleep(float(sys.argv[2]) / 1000)
exp.close()
