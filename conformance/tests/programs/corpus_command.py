"""Runs the command in each format, one after another in one process: to start one takes longer than most directories.

Arguments: the seconds of a processor that each may take, and the formats.
"""

import json
import os
import resource
import sys

from mlv_validate._cli import main

for format_ in sys.argv[2:]:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(usage.ru_utime + usage.ru_stime) + 1 + int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))
    with open(f"{format_}.out", "wb") as out:
        os.dup2(out.fileno(), 1)
    try:
        main(["--format", format_, "top"])
    except SystemExit as end:
        with open(f"{format_}.code", "w") as code:
            json.dump(end.code, code)
    sys.stdout.flush()
