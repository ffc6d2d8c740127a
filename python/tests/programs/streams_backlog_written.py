import sys
import warnings
from pathlib import Path

from mlvlogger import Logger
from programs.limits import limit_growth

warnings.simplefilter("ignore")
log = Logger("a.jsonl")
limit_growth(5)
log.event("x")
limit_growth(None)
if sys.argv[1] == "flush":
    log.flush()
    assert b'"x"' in Path("a.jsonl").read_bytes()
elif sys.argv[1] == "close":
    log.close()
