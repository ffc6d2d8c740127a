import warnings

from mlvlogger import Logger
from mlvlogger._write import backlog
from programs.limits import limit_growth

backlog.MAX_SIZE = 1000
log = Logger("a.jsonl")
log.event("before")
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    limit_growth(30)
    assert [log.event("x", number=number) for number in range(30)] == [None] * 30
    line = len('{"seq":12,"time":"2026-11-22T18:24:00.000000Z","event":"x","data":{"number":12}}\n')
    limit_growth(4 * line)
    assert [log.event("x", number=number) for number in range(30, 35)] == [None] * 5
    limit_growth(None)
    print(log.event("after"))
    assert log.event("last") is not None
log.close()
for warning in caught:
    print(warning.message)
