"""Validates a directory, and prints every file that is opened and every other access to the system."""

import os
import sys
from typing import Any

from mlv_validate import validate

CHANGES = {
    *("os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod"),
    *("os.chown", "os.utime", "os.exec", "os.fork", "os.posix_spawn", "os.system", "os.setxattr"),
}


def audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open":
        path, mode, flags = arguments
        write = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
        print("open", bool(write), ascii(path), file=sys.__stderr__)
    elif event.split(".")[0] in ("socket", "subprocess", "fcntl", "ctypes") or event in CHANGES:
        print(event, file=sys.__stderr__)


sys.addaudithook(audit)
for sealed in (False, True):
    print(validate(sys.argv[1], sealed=sealed).verdict)
