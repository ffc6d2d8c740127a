import sys
from typing import Any

events: list[tuple[str, Any]] = []


def hook(event: Any, arguments: Any) -> None:
    events.append((event, arguments))


sys.addaudithook(hook)
import atexit
import os
import signal
import threading
import warnings  # noqa: F401


def state() -> Any:
    handlers = [signal.getsignal(number) for number in range(1, 32)]
    return handlers, sys.excepthook, sys.stdout, os.getcwd(), dict(os.environ), atexit._ncallbacks()


before = state()
events.clear()
import mlvlogger  # noqa: F401

seen = list(events)
assert state() == before and threading.active_count() == 1
starts = ("socket.", "subprocess.", "os.fork", "os.exec", "os.posix_spawn", "_thread.start")
changes = ("os.mkdir", "os.remove", "os.rename", "os.link", "os.truncate", "shutil.")
writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT
for event, arguments in seen:
    assert not event.startswith(starts + changes), event
    assert event != "open" or not (arguments[2] or 0) & writes, arguments
assert os.listdir() == []
heavy = {"socket", "subprocess", "logging", "multiprocessing", "asyncio", "email", "importlib.metadata"}
assert not heavy & set(sys.modules)
