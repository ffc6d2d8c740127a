"""Publishes where the system refuses calls, in place of a file system that does.

Arguments: what it refuses (links, links-renames or links-renames-locks), whether to die between the claim on a name and
the rename, and the call.
"""

import errno
import os
import signal
import sys
from typing import Any

from mlvlogger import Exp  # noqa: F401
from mlvlogger._disk import publish

refused, dies, call = sys.argv[1].split("-"), sys.argv[2] == "True", sys.argv[3]


def refuse(*_: Any, **__: Any) -> None:
    raise PermissionError(errno.EPERM, "Operation not permitted")


def die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


os.link = refuse
if "renames" in refused:
    publish._rename_call = lambda: None
if "locks" in refused:
    import fcntl

    def no_lock(fd: int, how: int) -> None:
        if how != fcntl.LOCK_UN and not os.readlink(f"/proc/self/fd/{fd}").endswith(".jsonl"):
            raise OSError(errno.ENOLCK, "No locks available")

    fcntl.flock = no_lock  # type: ignore[assignment]
if dies:
    os.rename = die
    if "renames" not in refused:
        publish._rename_exclusively = die  # type: ignore[assignment]
eval(call)
