"""aim: ``Run.track`` with a dict and a step. Read by its own SDK, after `aim storage reindex` as it asks for."""

import os
import subprocess
import sys

from aim import Repo, Run


def record(variant, directory, train):
    run = Run(repo=directory, log_system_params=False, system_tracking_interval=None, capture_terminal_logs=False)

    def log(data):
        run.track({name: value for name, value in data.items() if name != "step"}, step=data["step"])

    train(log)
    run.close()


def read(variant, directory):
    aim = os.path.join(os.path.dirname(sys.executable), "aim")
    subprocess.run([aim, "storage", "--repo", directory, "reindex", "--yes"], check=False)
    for run in Repo(directory).iter_runs():
        for metric in run.metrics():
            if metric.name == "loss":
                steps, (values, *_) = metric.data.numpy()
                yield from zip(steps.tolist(), values.tolist(), strict=True)
