from pathlib import Path

from mlvlogger._disk.line_file import LineFile
from programs.limits import limit_size

writer = LineFile(Path("a"), new=True)
writer.write(b"first\n")
limit_size(9)
try:
    writer.write(b"refused\n")
except OSError:
    writer.close()
assert Path("a").read_bytes() == b"first\n"
