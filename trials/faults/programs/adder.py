"""A second script: adds a record to an experiment and logs two events: adder.py EXPERIMENT NUMBER."""

import sys

from mlvlogger import Exp
from reporting import Source, report, writer

exp = Exp.open(sys.argv[1], {f"added_{sys.argv[2]}": int(sys.argv[2])}, **writer())
report(f"added {sys.argv[2]}")
source = Source(exp)
source.event()
source.event()
exp.close()
report(f"closed {sys.argv[2]}")
