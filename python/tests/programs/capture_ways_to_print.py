"""Arguments: a statement that prepares the streams, one that prints `text`, and whether to wait for each line."""

import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from mlvlogger import Exp


class Tee:
    def __init__(self, *streams: Any) -> None:
        self.streams = streams

    def write(self, text: str) -> None:
        for stream in self.streams:
            stream.write(text)

    def flush(self) -> None:
        pass


class Logged:
    def write(self, text: str) -> None:
        if text.strip():
            logging.error(text.strip())

    def flush(self) -> None:
        pass


prepare, show, waits = sys.argv[1], sys.argv[2], sys.argv[3] == "True"
exec(prepare)
exp = Exp("runs", "e")
exp.capture()
for text in ["one", "two", "three", "the end"]:
    exec(show)
    while waits and text != "the end" and f'"{text}"' not in Path("runs/e/log/output.jsonl").read_text():
        time.sleep(0.001)
os.kill(os.getpid(), signal.SIGKILL)
