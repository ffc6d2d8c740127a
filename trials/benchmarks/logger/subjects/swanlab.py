"""swanlab, offline: ``log`` with a step. Read by its own reader of the frames of its file."""

import glob

import swanlab


def record(variant, directory, train):
    swanlab.init(project="benchmark", mode="offline", log_dir=directory)

    def log(data):
        swanlab.log({name: value for name, value in data.items() if name != "step"}, step=data["step"])

    train(log)
    swanlab.finish()


def read(variant, directory):
    from swanlab.proto.swanlab.record.v1.record_pb2 import Record
    from swanlab.sdk.internal.core_python.store import DataStoreReader

    (path,) = glob.glob(f"{directory}/**/*.swanlab", recursive=True)
    reader = DataStoreReader()
    reader.open(path)
    for text in reader:
        found = Record()
        found.ParseFromString(text)
        if found.HasField("scalar") and found.scalar.key == "loss":
            yield found.scalar.step, found.scalar.value.number
