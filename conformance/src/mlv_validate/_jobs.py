"""Work that is done in further processes, which inherit what is open and hand back what they find."""

import multiprocessing
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import TypeVar

__all__ = ["Lost", "can_fork", "workers"]

Part = TypeVar("Part")


class Lost(Exception):
    """A process ended before its work was done, or failed; the message says how."""


def can_fork() -> bool:
    """Whether there can be further processes: only a fork inherits open directories and files."""
    return "fork" in multiprocessing.get_all_start_methods() and not multiprocessing.current_process().daemon


@contextmanager
def workers(count: int, work: Callable[[int], Iterator[Part]]) -> Iterator[list[Iterator[Part]]]:
    """
    Run `work(0)` to `work(count - 1)` in a process each, and iterate over what they yield.

    A process waits until its results are taken, so that memory is bounded. At the end of the `with` the processes
    are ended. An iterator raises `Lost` when its process did not come to its end.
    """
    context = multiprocessing.get_context("fork")
    started = []
    try:
        for number in range(count):
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(target=_run, args=(work, number, sender), daemon=True)
            try:
                process.start()
            except OSError as error:
                receiver.close()
                raise Lost(error.strerror or str(error)) from error
            finally:
                sender.close()  # the only one left is that of the process, so that its end is seen here
            started.append((process, receiver))
        yield [_received(receiver) for _, receiver in started]
    finally:
        for process, receiver in started:
            receiver.close()
            process.kill()
            process.join()


def _run(work: Callable[[int], Iterator[Part]], number: int, sender: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process is interrupted as well, and ends this one
    try:
        for part in work(number):
            sender.send((part, None))
        sender.send((None, ""))
    except BrokenPipeError:
        pass
    except Exception as error:
        sender.send((None, f"{type(error).__name__}: {ascii(str(error))[:200]}"))


def _received(receiver: Connection) -> Iterator[Part]:
    while True:
        try:
            part, end = receiver.recv()
        except (EOFError, OSError) as error:
            raise Lost("a process of the validator ended before its work was done") from error
        if end:
            raise Lost(f"a process of the validator failed: {end}")
        if end is not None:
            return
        yield part
