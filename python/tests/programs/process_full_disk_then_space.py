import sys
import time
import warnings

from mlvlogger import Logger
from programs.limits import fill_disk_of_writer, limit_size

log = Logger("a.jsonl", writer="process", on_error=sys.argv[1])
pid = fill_disk_of_writer(log)

warnings.simplefilter("ignore")
number = 0
while log.event("x", number=(number := number + 1)) is not None:
    time.sleep(0.001)
for number in range(number + 1, number + 100):  # noqa: B020
    log.event("x", number=number)
with warnings.catch_warnings():
    warnings.simplefilter("error")
    limit_size(None, pid)
    getattr(log, sys.argv[2])()
log.close()
print(number)
