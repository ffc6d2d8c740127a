"""trackio: ``log`` with a step, into its SQLite file below the home directory. Read by its own storage class."""

import os

os.environ.update(HF_HUB_OFFLINE="1", DO_NOT_TRACK="1")

import trackio  # noqa: E402  what it reads from the environment is set before


def record(variant, directory, train):
    trackio.init(project="benchmark", name="run", embed=False, auto_log_gpu=False, auto_log_cpu=False)

    def log(data):
        trackio.log({name: value for name, value in data.items() if name != "step"}, step=data["step"])

    train(log)
    trackio.finish()


def read(variant, directory):
    from trackio.sqlite_storage import SQLiteStorage

    for event in SQLiteStorage.get_logs("benchmark", "run"):
        yield event["step"], event["loss"]
