import sys
import warnings

from mlvlogger import Logger, WriteFailed
from programs.limits import limit_growth

log = Logger("a.jsonl", on_error=sys.argv[1])
log.event("x")
limit_growth(20)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    try:
        log.close()
    except WriteFailed as error:
        print(error)
print(*(warning.message for warning in caught), sep="\n")
limit_growth(None)
log.close()
Logger("a.jsonl").close()
