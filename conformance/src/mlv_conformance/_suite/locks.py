"""Lock files of streams: those that the suite puts there, and the form of those that a writer creates."""

import json
import os
import platform
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_PIDS = Path("/proc/self/ns/pid")
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_TYPES: dict[str, tuple[type, ...]] = {
    "mlv_lock": (int,),
    "host": (str,),
    "pid": (int,),
    "started": (str, type(None)),
    "pids": (str, type(None)),
    "boot": (str, type(None)),
    "kernel": (str, type(None)),
}


def lock_folder(stream: Path) -> Path:
    """Return the path of the lock folder of a stream."""
    return stream.with_name(f".mlv-{stream.name}.lock")


def put_lock(stream: Path, of: str, changes: dict[str, Any], age: float) -> None:
    """Create a lock file of another process.

    Args:
        stream: The stream.
        of: The process: `live` for this one, `dead` for one that has ended, `none` for an empty file.
        changes: The members of the lock file that differ from the process's.
        age: The time in seconds since the lock file was created.

    Raises:
        OSError: If this system lacks the evidence of which a lock file consists.
    """
    file = lock_folder(stream) / secrets.token_hex(16)
    content = "" if of == "none" else json.dumps(_content(_dead_process() if of == "dead" else os.getpid()) | changes)
    file.parent.mkdir(exist_ok=True)
    file.write_text(content)
    os.utime(file, (time.time() - age,) * 2)


def _dead_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        return process.pid


def _content(pid: int) -> dict[str, Any]:
    return {
        "mlv_lock": 1,
        "host": platform.node(),
        "pid": pid,
        "started": _started(os.getpid()),
        "pids": os.readlink(_PIDS),
        "boot": _BOOT.read_text().strip(),
        "kernel": None,
    }


def _started(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[19]


def lock_problems(stream: Path) -> Iterator[str]:
    """Return what is wrong with the lock files of a stream that a writer has open."""
    files = list(lock_folder(stream).glob("*"))
    if not files:
        yield f"{stream.name} is open, and it has no lock file"
    for file in files:
        if not re.fullmatch("[0-9a-f]{32}", file.name):
            yield f"{file.name!r} isn't the name of a lock file"
        try:
            yield from _form_problems(json.loads(file.read_bytes()))
        except (ValueError, AttributeError) as error:
            yield f"a lock file is not a JSON object: {error}"


def _form_problems(content: dict[str, Any]) -> Iterator[str]:
    if wrong := content.keys() ^ _TYPES.keys():
        yield f"a lock file lacks, or should not have, the members {sorted(wrong)}"
        return
    wanted: dict[str, Any] = {"mlv_lock": 1}
    if _PIDS.is_symlink():  # Linux
        wanted |= {"pids": os.readlink(_PIDS), "boot": _BOOT.read_text().strip()}
        try:
            wanted["started"] = _started(content["pid"])
        except OSError:
            yield f"a lock file has the pid {content['pid']!r}, but no process has this number"
    for name, types in _TYPES.items():
        value = content[name]
        if type(value) not in types or value != wanted.get(name, value):
            yield f"a lock file has {name} {value!r}{f' instead of {wanted[name]!r}' if name in wanted else ''}"
    if content["kernel"] not in ("flock", "windows", None):
        yield f"a lock file has kernel {content['kernel']!r}"
