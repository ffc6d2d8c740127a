import resource
import signal
from typing import Any

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def limit(size: Any) -> None:
    size = resource.RLIM_INFINITY if size is None else size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


from pathlib import Path

from mlvlogger._disk.line_file import LineFile

for fits in range(8):
    path = Path(f"log-{fits}")
    writer = LineFile(path, new=True)
    writer.write(b"first\n")
    limit(6 + fits)
    for _ in range(2):
        try:
            writer.write(b"refused\n")
        except OSError as error:
            assert error.strerror == "File too large", error
        else:
            raise AssertionError("the line does not fit")
        assert (writer.size, writer.lines) == (6, 1)
    limit(None)
    writer.write(b"second\n")
    assert path.read_bytes() == b"first\nsecond\n", path.read_bytes()
    assert (writer.size, writer.lines) == (13, 2)
    writer.close()
