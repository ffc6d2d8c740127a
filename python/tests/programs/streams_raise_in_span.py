from mlvlogger import Logger, WriteFailed
from programs.limits import limit_growth

log = Logger("a.jsonl", on_error="raise")
span = log.span("a")
limit_growth(5)
try:
    span.end()
except WriteFailed:
    pass
else:
    raise AssertionError
limit_growth(None)
assert span.is_open and span.end() == 3
log.close()
