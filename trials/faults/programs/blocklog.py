"""A file that is a disk and remembers what came to it: blocklog.py IMAGE DIRECTORY LOG.

DIRECTORY gets one file, ``disk``, for a loop device. LOG gets its writes and flushes in order: time, offset and size as
64-bit integers and then the bytes; of a flush, the size is -1. The image itself is changed, too.
"""

import errno
import os
import stat
import struct
import sys
import time
from typing import Any

import mfusepy


class Disk(mfusepy.Operations):
    """The one file."""

    use_ns = True

    def __init__(self, image: str, log: str) -> None:
        self.image = os.open(image, os.O_RDWR)
        self.log = open(log, "wb")
        self.size = os.fstat(self.image).st_size

    def note(self, offset: int, size: int, data: bytes = b"") -> None:
        self.log.write(struct.pack("<qqq", time.monotonic_ns(), offset, size) + data)
        self.log.flush()

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        if path == "/":
            return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2}
        if path != "/disk":
            raise mfusepy.FuseOSError(errno.ENOENT)
        return {"st_mode": stat.S_IFREG | 0o600, "st_nlink": 1, "st_size": self.size}

    def readdir(self, path: str, fh: int) -> list[str]:
        return [".", "..", "disk"]

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        return os.pread(self.image, size, offset)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        self.note(offset, len(data), data)
        return os.pwrite(self.image, data, offset)

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        self.note(0, -1)
        return 0


mfusepy.FUSE(Disk(sys.argv[1], sys.argv[3]), sys.argv[2], foreground=True, nothreads=True)
