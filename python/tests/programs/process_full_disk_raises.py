import sys
import time

from mlvlogger import Logger, WriteFailed
from programs.limits import fill_disk_of_writer, limit_size

log = Logger("a.jsonl", writer="process", on_error=sys.argv[1])
pid = fill_disk_of_writer(log)

kept, raised, number = [0], 0, 0
while raised < 50:
    number += 1
    try:
        log.event("x", number=number)
    except WriteFailed as error:
        assert error.__cause__.errno == 27, error  # type: ignore[union-attr]
        raised += 1
    else:
        kept.append(number)
    time.sleep(0.001)
try:
    log.flush()
except WriteFailed as error:
    print(error)
limit_size(None, pid)
while True:
    number += 1
    try:
        log.event("x", number=number)
    except WriteFailed:  # it has not tried again yet
        time.sleep(0.01)
    else:
        break
log.close()
print(*kept, number)
