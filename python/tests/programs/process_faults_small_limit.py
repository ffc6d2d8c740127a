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


before = opened()
limited(resource.RLIMIT_FSIZE, int(sys.argv[1]) * 1024)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    exp = Exp("runs", "e", writer="process")
check(exp, caught)
assert opened() <= before
