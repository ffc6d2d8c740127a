"""Appends the lines of a file to a log, each in two writes with a pause in between. Arguments: the log, the file."""

import sys
import time
from pathlib import Path

with open(sys.argv[1], "ab", buffering=0) as log:
    for line in Path(sys.argv[2]).read_bytes().splitlines(keepends=True):
        half = len(line) // 2
        log.write(line[:half])
        time.sleep(0.001)
        log.write(line[half:])
