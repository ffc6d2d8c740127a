"""A lock file: what it says of its writer, and what shows whether this writer still runs.

The evidence is that of the table in the specification 1.0, chapter Bytes, One writer.
"""

from __future__ import annotations

import os
import sys
from io import open as open_file  # while the interpreter ends, the built-in name is gone

from .._format.json import dumps
from .host import host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["HELD", "STALE", "UNKNOWN", "WITH_NOTICE", "content", "has_ended", "judge", "parse", "system"]

#: What a lock file of another writer is.
STALE, WITH_NOTICE, HELD, UNKNOWN = range(4)

_UNREADABLE = 1.0  # seconds after which a lock file without an object is stale


def content(pid: int, kernel: str | None) -> bytes:
    """Return the content of the lock file of a process (`writer.lock-form`)."""
    pids, boot = system()
    members = {
        "mlv_lock": 1,
        "host": host(),
        "pid": pid,
        "started": _status(pid)[0],
        "pids": pids,
        "boot": boot,
        "kernel": kernel,
    }
    return dumps(members).encode("ascii")


def parse(text: bytes) -> dict[str, Any]:
    """Return the object of a lock file; empty if there is none."""
    import json

    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def judge(theirs: dict[str, Any], age: float, kernel: str | None) -> int:
    """Judge a lock file of another writer by the table of the chapter Bytes.

    The first row is decided before: this process has the lock of the operating system, or there is none.

    Args:
        theirs: The content of the lock file; empty if it can't be read.
        age: Its age in seconds.
        kernel: The lock of the operating system that this process has.
    """
    if not theirs:
        return STALE if age > _UNREADABLE else HELD
    pid = theirs.get("pid")
    if theirs.get("mlv_lock") != 1 or type(pid) is not int:
        return UNKNOWN
    pids, boot = system()
    has_kernel = kernel is not None and theirs.get("kernel") == kernel
    if boot is not None and theirs.get("boot") == boot:
        if has_kernel:
            return STALE
        if theirs.get("pids") == pids:
            return STALE if has_ended(pid, theirs.get("started")) else HELD
    elif has_kernel:
        return WITH_NOTICE
    elif boot is None and theirs.get("boot") is None and theirs.get("host") == host() and not _exists(pid):
        return WITH_NOTICE
    return UNKNOWN


def has_ended(pid: int, started: object) -> bool:
    """Return whether no process of this system has this number and began then."""
    if not _exists(pid):
        return True
    found, is_zombie = _status(pid)
    return is_zombie or (found is not None and started is not None and found != started)


def _exists(pid: int) -> bool:
    if os.name == "nt":
        return True  # os.kill would end the process
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        pass  # it is another user's
    return pid > 0


def _status(pid: int) -> tuple[str | None, bool]:
    """Return when a process began, or None if the system doesn't tell, and whether only its exit code is left."""
    try:
        with open_file(f"/proc/{pid}/stat", "rb") as file:  # noqa: UP020
            # The name of the program may contain blanks and parentheses; the fields after it can't.
            fields = file.read().rpartition(b") ")[2].split()
        # If the main thread alone has ended, the state is Z, too.
        return fields[19].decode(), fields[0] in (b"Z", b"X", b"x") and int(fields[17]) <= 1
    except (OSError, ValueError, IndexError):
        return None, False


def system() -> tuple[str | None, str | None]:
    """Return what a pid is a number of, and the start of the operating system; None if the system doesn't tell."""
    try:
        pids = os.readlink("/proc/self/ns/pid")
    except OSError:
        pids = None
    return pids, _boot()


def _boot() -> str | None:
    try:
        if sys.platform == "darwin":
            return _mac_boot()
        with open_file("/proc/sys/kernel/random/boot_id", encoding="utf-8") as file:  # noqa: UP020
            return file.read().strip()
    except (OSError, ValueError):
        return None


def _mac_boot() -> str | None:
    import ctypes

    size = ctypes.c_size_t(64)
    value = ctypes.create_string_buffer(size.value)
    code = ctypes.CDLL(None).sysctlbyname(b"kern.bootsessionuuid", value, ctypes.byref(size), None, 0)
    return None if code else value.value.decode()
