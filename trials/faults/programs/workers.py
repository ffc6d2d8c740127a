"""Logs from many processes or threads at once: workers.py EXPERIMENT KIND WORKERS EVENTS."""

import multiprocessing
import os
import sys
import threading

from mlvlogger import Exp
from reporting import Source, writer


def work(exp: Exp, events: int, name: str = "") -> None:
    source = Source(exp, name=name)
    for _ in range(events):
        source.event()


def joined(path: str, rank: int, events: int) -> None:
    """A worker that inherited nothing but the path."""
    exp = Exp.join(path, rank, **writer())
    work(exp, events)
    exp.close()


def forked(exp: Exp, events: int) -> int:
    pid = os.fork()
    if pid == 0:
        work(exp, events)
        os._exit(0)
    return pid


def ended(pids: list[int]) -> None:
    for pid in pids:
        assert os.waitpid(pid, 0)[1] == 0


def main() -> None:
    directory, name = sys.argv[1].rsplit("/", 1)
    kind, workers, events = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    exp = Exp(directory, name, **writer())
    own = Source(exp, name=".main")
    own.event()
    if kind == "fork":
        pids = [forked(exp, events) for _ in range(workers)]
        for _ in range(events):
            own.event()
        ended(pids)
    elif kind == "epochs":
        for _ in range(workers):  # one after another, as workers that are forked again every epoch
            pid = forked(exp, events)
            own.event()
            ended([pid])
    elif kind == "exits":  # a child that runs the exit handlers it inherited
        for _ in range(workers):
            pid = os.fork()
            if pid == 0:
                work(exp, events)
                sys.exit(0)
            own.event()
            ended([pid])
    elif kind == "busy":  # forked while other threads are in the middle of events
        over = threading.Event()

        def log_until_over(number: int) -> None:
            source = Source(exp, name=f".{number}")
            while not over.is_set():
                source.event()

        threads = [threading.Thread(target=log_until_over, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(workers):
            ended([forked(exp, events)])
        over.set()
        for thread in threads:
            thread.join()
    elif kind == "threads":
        threads = [threading.Thread(target=work, args=(exp, events, f".{number}")) for number in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    elif kind == "loader":  # daemonic workers that get indices by a queue, send results, and are ended every epoch
        context = multiprocessing.get_context("fork")
        for _ in range(2):
            indices, results = context.SimpleQueue(), context.SimpleQueue()
            pool = [context.Process(target=load, args=(exp, indices, results), daemon=True) for _ in range(workers)]
            for process in pool:
                process.start()
            for index in range(events):
                indices.put(index)
            for _ in range(events):
                results.get()
                own.event()
            for process in pool:
                process.terminate()
                process.join()
    else:
        context = multiprocessing.get_context(kind.partition(" ")[0])
        if kind == "fork pool":
            arguments = [(work, (exp, events))] * workers
        else:
            arguments = [(joined, (str(exp.path), rank, events)) for rank in range(workers)]
        pool = [context.Process(target=target, args=args) for target, args in arguments]
        for process in pool:
            process.start()
        for _ in range(events):
            own.event()
        for process in pool:
            process.join()
            assert process.exitcode == 0, process
    own.event()
    exp.close()


def load(exp: Exp, indices: "multiprocessing.SimpleQueue[int]", results: "multiprocessing.SimpleQueue[int]") -> None:
    source = Source(exp)
    while True:
        index = indices.get()
        source.event()
        results.put(index)


if __name__ == "__main__":
    main()
