"""Worker processes, which inherit open files and send back their results."""

import multiprocessing
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import TypeVar

__all__ = ["WorkerFailed", "can_fork", "workers"]

Part = TypeVar("Part")


class WorkerFailed(Exception):
    """A worker process failed or ended early; the message says how."""


def can_fork() -> bool:
    """Return whether worker processes are possible: only a fork inherits open directories and files."""
    return "fork" in multiprocessing.get_all_start_methods() and not multiprocessing.current_process().daemon


@contextmanager
def workers(count: int, work: Callable[[int], Iterator[Part]]) -> Iterator[list[Iterator[Part]]]:
    """Run `work(0)` to `work(count - 1)` in separate processes, and iterate over what they yield.

    A process waits until the first process takes what it yields, so that memory is bounded. The processes are killed at
    the end of the `with`.

    Args:
        count: The number of processes.
        work: The work of one process, by its number.

    Yields:
        An iterator for each process.

    Raises:
        WorkerFailed: If a process can't be started. An iterator raises it if its process fails or ends early.
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
                raise WorkerFailed(error.strerror or str(error)) from error
            finally:
                sender.close()  # only the worker has the sender now, so that its end closes the pipe
            started.append((process, receiver))
        yield [_received(receiver) for _, receiver in started]
    finally:
        for process, receiver in started:
            receiver.close()
            process.kill()
            process.join()


def _run(work: Callable[[int], Iterator[Part]], number: int, sender: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process is interrupted, too, and kills this one
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
            raise WorkerFailed("a process of the validator ended early") from error
        if end:
            raise WorkerFailed(f"a process of the validator failed: {end}")
        if end is not None:
            return
        yield part
