import os
import signal
import sys
from typing import Any

from mlvlogger import Exp
from mlvlogger._environment import snapshot

snapshot.capture = lambda **_: {"command": [], "host": {}, "runtime": {}}
left = int(sys.argv[1])


def hook(event: Any, arguments: Any) -> None:
    global left
    if event.startswith(("open", "os.", "fcntl.")):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


sys.addaudithook(hook)
with Exp("runs", sys.argv[1], {"a": 1}) as exp:
    exp.log.event("x")
    with exp.create("f") as file:
        file.write(b"x")
