"""Arguments: the stream, `system` or `output`, and the writer."""

import os
import sys
import time
from pathlib import Path

from mlvlogger import Exp
from test_kept import edit

exp = Exp("runs", "e", writer=sys.argv[2])
log = exp.watch(seconds=0.1) if sys.argv[1] == "system" else exp.capture()
path = Path(f"runs/e/log/{sys.argv[1]}.jsonl")
name = b'"sample"' if sys.argv[1] == "system" else b'"stdout"'
os.write(1, b"first\n")
while name not in path.read_bytes():
    time.sleep(0.01)
edit(path, name, name.upper())
os.write(1, b"second\n")
exp.close()
