"""Argument: the code that logs `late`, or closes the log, while the interpreter ends. Each imports what it needs."""

import sys
from collections.abc import Iterator
from typing import Any

from mlvlogger import Logger

way = sys.argv[1]
log: Logger
if way == "an exit handler that is older than the logger":
    import atexit

    atexit.register(lambda: log.event("late"))
    log = Logger("a.jsonl")
elif way == "an exit handler that is younger":
    import atexit

    log = Logger("a.jsonl")
    atexit.register(lambda: log.event("late"))
elif way == "an exit handler that closes":
    import atexit

    log = Logger("a.jsonl")
    atexit.register(log.close)
elif way == "a thread that outlives the script":
    import threading

    log = Logger("a.jsonl")

    def work() -> None:
        threading.main_thread().join()
        log.event("late")
        log.close()

    threading.Thread(target=work).start()
elif way == "tasks of a pool of threads":
    from concurrent.futures import ThreadPoolExecutor

    log = Logger("a.jsonl")
    pool = ThreadPoolExecutor(2)
    for _ in range(20):
        pool.submit(log.event, "late")
elif way == "a generator that holds a with block":

    def generate() -> Iterator[None]:
        with Logger("a.jsonl") as log:
            log.event("x")
            yield

    running = generate()
    next(running)
elif way == "an object that holds the logger":

    class Holder:
        def __init__(self, log: Logger) -> None:
            self.log = log

        def __del__(self) -> None:
            self.log.event("late", x=[1.5, 2.5])
            self.log.close()

    late: Any = Holder(Logger("a.jsonl"))
elif way == "an object that logs in another second":
    from mlvlogger._format import line

    class Late:
        def __init__(self, log: Logger) -> None:
            self.log = log

        def __del__(self) -> None:
            self.log.event("late")

    late = Late(Logger("a.jsonl"))
    line._last_second = (b"", b"")
elif way == "an object that outlives the modules":
    import builtins

    class Cycle:
        def __init__(self, log: Logger) -> None:
            self.log, self.me = log, self

        def __del__(self) -> None:
            self.log.event("late", x=[1.5, 2.5])
            self.log.close()

    builtins.late = Cycle(Logger("a.jsonl"))  # type: ignore[attr-defined]
else:
    raise ValueError(way)
