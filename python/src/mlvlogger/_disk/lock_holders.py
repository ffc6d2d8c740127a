"""Who has lock files of a stream, for observers: they take no lock (specification 1.0, Lifecycle)."""

from __future__ import annotations

import os
import stat

from .._format.immutable import Immutable
from .folder import Folder
from .lock_file import has_ended, parse, system
from .stream_lock import MAX_SIZE, list_files, lock_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["LockHolder", "lock_holders"]


class LockHolder(Immutable):
    """A process that has a lock file of a stream, as returned by `lock_holders`.

    Args:
        host: The name of its host; empty if the lock file doesn't tell.
        pid: Its process id; None if the lock file doesn't tell.
        is_running: Whether it is running; None if this process can't examine it, for example because it is on another
            host or in another container.
    """

    __slots__ = __match_args__ = ("host", "pid", "is_running")

    host: str
    pid: int | None
    is_running: bool | None

    def __init__(self, host: str, pid: int | None, is_running: bool | None) -> None:
        self._set(host, pid, is_running)


def lock_holders(path: str | os.PathLike[str], stream: str = "log.jsonl") -> list[LockHolder]:
    """Return the processes that have lock files of a stream. No lock is taken, and nothing is written.

    A program that writes with `writer="process"` has two lock files. A killed process leaves its lock file, until the
    next writer or `mlv clean` removes it. If all holders have ended, or there are none, no process writes the stream.

    Args:
        path: The directory of an experiment, or that of a bare log.
        stream: The path of the stream in the directory, such as `log/gpu.jsonl`.

    Raises:
        OSError: If the directory can't be read.

    Example:
        ```python
        import os

        from mlvlogger import Exp, lock_holders

        with Exp("runs", "my_exp_1") as exp:
            [holder] = lock_holders("runs/my_exp_1")
            print(holder.pid == os.getpid(), holder.is_running)

        print(lock_holders("runs/my_exp_1"))
        ```

        ```text
        True True
        []
        ```
    """
    with Folder(path) as root:
        folder = lock_folder(stream)
        try:
            modes = [root.stat(name).st_mode for name in (os.path.dirname(folder), folder) if name]
            if not all(map(stat.S_ISDIR, modes)):
                return [LockHolder("", None, None)]  # the lock file of a draft of MLV 1.0, or a symbolic link
            names = sorted(list_files(root, folder))
        except FileNotFoundError:
            return []
        holders = []
        for name in names:
            if len(name) == 32:
                try:
                    holders.append(_holder(parse(root.read(f"{folder}/{name}", MAX_SIZE))))
                except FileNotFoundError:
                    continue
                except OSError:
                    holders.append(LockHolder("", None, None))
        return holders


def _holder(content: dict[str, Any]) -> LockHolder:
    """Return the holder of a lock file, given its content; judged by the table of the chapter Lifecycle."""
    host, pid = content.get("host"), content.get("pid")
    name = host if isinstance(host, str) else ""
    if content.get("mlv_lock") != 1 or type(pid) is not int:
        return LockHolder(name, None, None)
    pids, boot = system()
    if boot is None or (content.get("boot"), content.get("pids")) != (boot, pids):
        return LockHolder(name, pid, None)
    return LockHolder(name, pid, not has_ended(pid, content.get("started")))
