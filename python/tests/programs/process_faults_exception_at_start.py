import contextlib
import gc
import os
import signal
import sys
from typing import Any

from mlvlogger import Logger
from mlvlogger._write.process import child

signal.signal(signal.SIGXFSZ, signal.SIG_DFL)

FILES = ("client.py", "child.py", "takeover.py", "spawn.py", "ring.py")


class Stop(BaseException):
    pass


def stop_at(number: Any) -> None:
    left = number

    def profile(frame: Any, event: Any, _: Any) -> None:
        nonlocal left
        if event in ("call", "c_return") and frame.f_code.co_filename.endswith(FILES):
            left -= 1
            if left == 0:
                sys.setprofile(None)
                raise Stop

    sys.setprofile(profile)
    try:
        log = Logger("a.jsonl", writer="process")
    finally:
        sys.setprofile(None)
    log.close()


number, more = 0, True
while more:
    number += 1
    try:
        stop_at(number)
        more = False
    except Stop as error:
        error.__traceback__ = None
    gc.collect()
    log = Logger("a.jsonl")
    assert log._stream.start is not None
    log.close()
    if more:
        for pid in child._unreaped:  # a process that ends by itself, and that no one has waited for
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
        child._unreaped.clear()
        try:
            found = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            pass
        else:
            raise AssertionError(f"a process was left at place {number}")
print(number)
