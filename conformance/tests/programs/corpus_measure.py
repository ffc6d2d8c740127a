"""Runs a command and writes its exit code and its greatest memory into the file `measured`.

That memory includes the one of the process that it was forked from, which is why this small process starts it.
"""

import json
import os
import subprocess
import sys

process = subprocess.Popen(sys.argv[1:])
_, status, usage = os.wait4(process.pid, 0)
with open("measured", "w") as file:
    json.dump([os.waitstatus_to_exitcode(status), usage.ru_maxrss * 1024], file)
