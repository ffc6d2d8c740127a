import resource
import signal
from typing import Any

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def limit(size: Any) -> None:
    size = resource.RLIM_INFINITY if size is None else size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


from pathlib import Path

from mlvlogger._disk.line_file import LineFile

writer = LineFile(Path("a"), new=True)
writer.write(b"first\n")
limit(9)
try:
    writer.write(b"refused\n")
except OSError:
    writer.close()
assert Path("a").read_bytes() == b"first\n"
