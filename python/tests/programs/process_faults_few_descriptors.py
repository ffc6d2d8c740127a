import linecache  # noqa: F401
import signal
import sys
import warnings

from mlvlogger import Logger
from programs.limits import limit_descriptors, open_files

signal.signal(signal.SIGXFSZ, signal.SIG_DFL)

if sys.argv[1] == "True":
    import mlvlogger._write.process.client  # noqa: F401

    Logger("warm.jsonl", writer="process").close()
Logger("b.jsonl").close()
before = open_files()
most = max(int(fd) for fd, _ in before)
outcomes = set()
for free in range(14):
    path = f"{free}.jsonl"
    limit_descriptors(most + 1 + free)
    try:
        Logger(f"direct-{path}").close()
        is_enough = True
    except OSError:
        is_enough = False
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            log = Logger(path, writer="process")
    except OSError:
        assert not is_enough, free
        outcomes.add("refused")
    else:
        outcomes.add(type(log._stream._destination.writer).__name__)
        assert log.event("x", number=0) == 2
        limit_descriptors(256)
        assert log.event("x", number=1) == 3
        assert [str(w.message)[:10] for w in caught] in ([], ["no process"])
        log.close()
    limit_descriptors(256)
    log = Logger(path)
    log.event("x", number=2)
    log.close()
    assert open_files() <= before, (free, open_files() - before)
assert outcomes == {"refused", "DirectWriter", "ProcessWriter"}, outcomes
