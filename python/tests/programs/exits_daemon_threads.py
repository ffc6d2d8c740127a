"""Arguments: the method of a logger that an object calls after the daemon threads have stopped, and its arguments."""

import builtins
import sys
import threading
import time
from operator import methodcaller
from pathlib import Path
from typing import Any

from mlvlogger import Logger


class Late:
    def __init__(self) -> None:
        self.me = self

    # The modules are empty when this runs: it only has its defaults.
    def __del__(self, log: Logger = Logger("a.jsonl"), call: Any = methodcaller(*sys.argv[1:])) -> None:  # noqa: B008
        call(log)


builtins.late = Late()  # type: ignore[attr-defined]


def work(log: Any = Late.__del__.__defaults__[0]) -> None:  # type: ignore[index]
    while True:
        log.event("x")


for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
while Path("a.jsonl").read_bytes().count(b"\n") < 20:
    time.sleep(0.01)
