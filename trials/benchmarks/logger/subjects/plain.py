"""P: what a script without any logger writes. Variants are parts of it, to show what cannot be saved:

``json`` the text of the line alone, ``write`` a ready line into the kernel, ``fdatasync`` the same onto the disk.
"""

import json
import os
from datetime import datetime, timezone

FLAGS = os.O_CREAT | os.O_WRONLY | os.O_APPEND
LINE = b"x" * 179 + b"\n"


def record(variant, directory, train):
    fd = os.open(f"{directory}/log.jsonl", FLAGS, 0o666)
    seq = 0

    def log(data):
        nonlocal seq
        seq += 1
        time = datetime.now(timezone.utc).isoformat()
        os.write(fd, (json.dumps({"seq": seq, "time": time, "event": "batch", "data": data}) + "\n").encode())

    def encode(data):
        json.dumps({"seq": 1, "time": "2026-11-22T18:24:00.123456+00:00", "event": "batch", "data": data})

    def write(data):
        os.write(fd, LINE)

    def sync(data):
        os.write(fd, LINE)
        os.fdatasync(fd)

    train({"": log, "json": encode, "write": write, "fdatasync": sync}[variant])
    os.close(fd)


def read(variant, directory):
    with open(f"{directory}/log.jsonl", encoding="utf-8") as lines:
        for line in lines:
            if line.endswith("\n"):
                data = json.loads(line)["data"]
                yield data["step"], data["loss"]
