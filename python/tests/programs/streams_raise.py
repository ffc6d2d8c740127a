from mlvlogger import Logger, WriteFailed
from programs.limits import limit_growth

log = Logger("a.jsonl", on_error="raise")
assert log.event("one") == 2
limit_growth(20)
for _ in range(2):
    try:
        log.event("two")
    except WriteFailed as error:
        assert isinstance(error.__cause__, OSError) and error.__cause__.strerror == "File too large"
        print(error)
    else:
        raise AssertionError
limit_growth(None)
assert log.event("three") == 3
log.close()
