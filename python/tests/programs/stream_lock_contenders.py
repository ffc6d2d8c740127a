"""Acquires the lock of one stream again and again in children that are killed at random, and reports two holders.

Arguments: the directory, and the seconds. It prints the number of times that the lock was held.
"""

import os
import random
import signal
import sys
import time

from mlvlogger import StreamBusy
from mlvlogger._disk.folder import Folder
from mlvlogger._disk.stream_lock import StreamLock

root, until = Folder(sys.argv[1]), time.monotonic() + float(sys.argv[2])
marker = os.path.join(sys.argv[1], "held-by")


def is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as file:
            return file.read().rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False


def report(what: str) -> None:
    with open(os.path.join(sys.argv[1], "two-holders"), "a", encoding="ascii") as file:
        file.write(f"{what}\n")


def hold() -> None:
    """Be the only holder for a moment: a marker that another living process has made or changes shows two."""
    while True:
        try:
            with open(marker, "x", encoding="ascii") as file:
                file.write(str(os.getpid()))
            break
        except FileExistsError:
            try:
                with open(marker, encoding="ascii") as file:
                    other = int(file.read() or "0")
                if is_alive(other):
                    report(f"{other} {os.getpid()}")
                    return
                os.unlink(marker)
            except (FileNotFoundError, ValueError):
                pass
    time.sleep(random.random() * 0.002)
    try:
        with open(marker, encoding="ascii") as file:
            if file.read() != str(os.getpid()):
                report(f"{os.getpid()} was not alone")
    except FileNotFoundError:
        report(f"the marker of {os.getpid()} is gone")


held = 0
while time.monotonic() < until:
    pid = os.fork()
    if pid == 0:
        try:
            lock = StreamLock(root, "log.jsonl", None)
        except StreamBusy:
            os._exit(1)
        hold()
        if random.random() < 0.5:
            os.kill(os.getpid(), signal.SIGKILL)
        os.unlink(marker)
        lock.release()
        os._exit(0)
    if random.random() < 0.2:
        time.sleep(random.random() * 0.003)
        os.kill(pid, signal.SIGKILL)  # perhaps while it acquires the lock
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    held += status != 1
print(held)
