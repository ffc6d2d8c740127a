import os
import resource
import signal
import sys
import warnings
from typing import Any

from mlvlogger import Exp

signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
infinity = resource.RLIM_INFINITY


def limited(what: int, size: Any) -> None:
    resource.setrlimit(what, (size, resource.getrlimit(what)[1]))


def opened() -> Any:
    return {(fd, os.path.realpath(f"/dev/fd/{fd}")) for fd in os.listdir("/dev/fd") if os.path.exists(f"/dev/fd/{fd}")}


def check(exp: Any, caught: Any) -> None:
    message = f"no process could be started to write {exp.path}/log.jsonl"
    assert [str(warning.message).partition(":")[0] for warning in caught] == [message]
    for number in range(100):
        assert exp.log.event("x", number=number) == number + 2
    exp.close()
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        pass
    else:
        raise AssertionError("a process was left")
    Exp.resume(exp.path).close()


import linecache  # noqa: F401

from mlvlogger import Logger

if sys.argv[1] == "True":
    import mlvlogger._write.process.client  # noqa: F401

    Logger("warm.jsonl", writer="process").close()
Logger("b.jsonl").close()
before = opened()
most = max(int(fd) for fd, _ in before)
outcomes = set()
for free in range(14):
    path = f"{free}.jsonl"
    limited(resource.RLIMIT_NOFILE, most + 1 + free)
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
        outcomes.add(type(log._stream._writer).__name__)
        assert log.event("x", number=0) == 2
        limited(resource.RLIMIT_NOFILE, 256)
        assert log.event("x", number=1) == 3
        assert [str(w.message)[:10] for w in caught] in ([], ["no process"])
        log.close()
    limited(resource.RLIMIT_NOFILE, 256)
    log = Logger(path)
    log.event("x", number=2)
    log.close()
    assert opened() <= before, (free, opened() - before)
assert outcomes == {"refused", "DirectWriter", "ProcessWriter"}, outcomes
