import multiprocessing
import os
import sys
from typing import Any

from mlvlogger import Exp, Logger


class Dataset:
    def __init__(self, log: Logger) -> None:
        self.log = log

    def __getitem__(self, index: int) -> int:
        self.log.event("loaded", index=index, pid=os.getpid())
        return index


def work(dataset: Dataset, indices: range, queue: Any) -> None:
    for index in indices:
        queue.put(dataset[index])


context = multiprocessing.get_context("fork")
with Exp("runs", "e", writer=sys.argv[1]) as exp:
    dataset = Dataset(exp.log.sub("data"))
    for epoch in range(5):
        with exp.log.span("epoch", n=epoch) as span:
            queue: Any = context.Queue()
            shares = [range(epoch * 200 + first, epoch * 200 + 200, 4) for first in range(4)]
            workers = [context.Process(target=work, args=(dataset, share, queue), daemon=True) for share in shares]
            for worker in workers:
                worker.start()
            for _ in range(200):
                span.event("batch", index=queue.get())
            for worker in workers:
                worker.join()
                assert worker.exitcode == 0
