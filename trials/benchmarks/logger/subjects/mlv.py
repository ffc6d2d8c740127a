"""mlvlogger. The variant is a list of words, joined by ``+``, each of which changes one thing:

``direct`` (nothing), ``process`` (the other writer), ``disk`` (durability), ``exp`` (in an experiment, not a bare log),
``span`` (within a span), ``keywords`` (the data by keyword, not as a mapping).
"""

import json
from contextlib import nullcontext

from mlvlogger import Exp, Logger
from mlvlogger import read as read_experiment


def record(variant, directory, train):
    words = set(variant.split("+"))
    options = {}
    if "process" in words:
        options["writer"] = "process"
    if "disk" in words:
        options["durability"] = "disk"
    if "exp" in words:
        opened = Exp(directory, "run", {"lr": 0.0003}, kind="train", **options)
        root = opened.log
    else:
        root = opened = Logger(f"{directory}/log.jsonl", **options)
    with opened, root.span("epoch", n=0) if "span" in words else nullcontext(root) as logger:
        event = logger.event
        if "keywords" in words:
            train(lambda data: event("batch", **data), root.flush)
        else:
            train(lambda data: event("batch", data), root.flush)


def read(variant, directory):
    if "exp" in variant.split("+"):
        for event in read_experiment(f"{directory}/run").events("**"):
            if "step" in event.data:
                yield event.data["step"], event.data["loss"]
    else:
        with open(f"{directory}/log.jsonl", encoding="utf-8") as lines:
            for line in lines:
                if line.endswith("\n") and "step" in (data := json.loads(line)["data"]):
                    yield data["step"], data["loss"]
