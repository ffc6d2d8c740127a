"""sacred: ``_run.log_scalar`` for each value, with the observer that writes files. Read from its metrics.json."""

import json
from pathlib import Path

from sacred import SETTINGS, Experiment
from sacred.observers import FileStorageObserver


def record(variant, directory, train):
    SETTINGS.CAPTURE_MODE = "no"
    experiment = Experiment("benchmark", save_git_info=False)
    experiment.observers.append(FileStorageObserver(directory))

    @experiment.main
    def main(_run):
        def log(data):
            step = data["step"]
            for name, value in data.items():
                if name != "step":
                    _run.log_scalar(name, value, step)

        train(log)

    experiment.run()


def read(variant, directory):
    path = Path(directory, "1", "metrics.json")
    if not path.exists():  # before the first heartbeat
        return
    with open(path, encoding="utf-8") as file:
        loss = json.load(file).get("loss", {"steps": [], "values": []})
    yield from zip(loss["steps"], loss["values"], strict=True)
