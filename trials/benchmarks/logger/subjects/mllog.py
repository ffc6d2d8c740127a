"""mlperf-logging: ``mllogger.event`` with the data as its value, into a file. Read by its own line format."""

import json
import logging

from mlperf_logging import mllog


def record(variant, directory, train):
    # Its own set-up prints each line on the console too; a file alone is what the others are asked for.
    logging.getLogger("mllog_default").handlers.clear()
    mllog.config(filename=f"{directory}/log.txt")
    mllogger = mllog.get_mllogger()
    train(lambda data: mllogger.event("batch", data))


def read(variant, directory):
    with open(f"{directory}/log.txt", encoding="utf-8") as lines:
        for line in lines:
            if line.endswith("\n"):
                data = json.loads(line.partition(":::MLLOG ")[2])["value"]
                yield data["step"], data["loss"]
