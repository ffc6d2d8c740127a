"""Sends objects to workers, which are refused, then their paths. Argument: the start method."""

import multiprocessing
import sys
from typing import Any

from mlvlogger import Exp, Logger


def work(sent: Any, rank: int) -> None:
    assert isinstance(sent, str)
    with Exp.join(sent, rank) as exp:
        exp.log.event("joined")
    with Exp.open(sent) as exp:
        exp.log.event("opened")


class Trainer:
    def __init__(self, log: Logger) -> None:
        self.log = log


if __name__ == "__main__":
    context: Any = multiprocessing.get_context(sys.argv[1])
    with Exp("runs", "e") as exp:
        span = exp.log.span("epoch")
        for sent in (exp, exp.log, exp.log.sub("x"), span, exp.stream("gpu"), Trainer(exp.log)):
            worker = context.Process(target=work, args=(sent, 0))
            try:
                worker.start()
            except TypeError as error:
                print(error)
        for rank in range(2):
            worker = context.Process(target=work, args=(str(exp.path), rank))
            worker.start()
            worker.join()
            assert worker.exitcode == 0
