from pathlib import Path

from mlvlogger._disk.line_file import LineFile
from programs.limits import limit_size

for fits in range(8):
    path = Path(f"log-{fits}")
    writer = LineFile(path, new=True)
    writer.write(b"first\n")
    limit_size(6 + fits)
    for _ in range(2):
        try:
            writer.write(b"refused\n")
        except OSError as error:
            assert error.strerror == "File too large", error
        else:
            raise AssertionError("the line does not fit")
        assert (writer.size, writer.lines) == (6, 1)
    limit_size(None)
    writer.write(b"second\n")
    assert path.read_bytes() == b"first\nsecond\n", path.read_bytes()
    assert (writer.size, writer.lines) == (13, 2)
    writer.close()
