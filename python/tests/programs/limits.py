"""Limits of the system, which replace full disks and a lack of free descriptors."""

import os
import resource
import signal
import time
from typing import Any

from mlvlogger import Exp, Logger

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write beyond the limit is an error, and ends no process


def limit_size(size: int | None, pid: int = 0) -> None:
    """Let the files of this process, or of another one, grow up to *size* bytes; with None, without a limit."""
    limits = (resource.RLIM_INFINITY if size is None else size, resource.RLIM_INFINITY)
    if pid:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
    else:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def limit_descriptors(most: int) -> None:
    """Let this process open descriptors below *most* only."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def limit_growth(more: int | None) -> None:
    """Let `a.jsonl` grow by *more* bytes; with None, without a limit."""
    limit_size(None if more is None else os.path.getsize("a.jsonl") + more)


def fill_disk_of_writer(log: Logger) -> int:
    """Log event 0 through the writer process of `a.jsonl`, then leave it 200 bytes; return its pid."""
    from mlvlogger._write.process.ring import READY  # not loaded for the programs that log without this process

    writer: Any = log._stream._destination.writer
    while not writer._ring.words[READY]:
        time.sleep(0.001)
    log.event("x", number=0)
    log.flush()
    pid: int = writer._process.pid
    limit_size(os.path.getsize("a.jsonl") + 200, pid)
    return pid


def open_files() -> set[tuple[str, str]]:
    """Return the open descriptors of this process, each with its file."""
    return {(fd, os.path.realpath(f"/dev/fd/{fd}")) for fd in os.listdir("/dev/fd") if os.path.exists(f"/dev/fd/{fd}")}


def check_written_directly(exp: Exp, caught: Any) -> None:
    """Assert that an experiment could not start its writer process, warned once, and can be written and resumed."""
    message = f"no process could be started to write {exp.path}/log.jsonl"
    assert [str(warning.message).partition(":")[0] for warning in caught] == [message]
    for number in range(100):
        assert exp.log.event("x", number=number) == number + 2
    exp.close()
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        pass
    else:
        raise AssertionError("a process was left")
    Exp.resume(exp.path).close()
