"""tensorboard: ``tensorboard.summary.Writer.add_scalar`` for each value. Read by its own loader."""

import glob

from tensorboard.summary import Writer


def record(variant, directory, train):
    writer = Writer(directory)

    def log(data):
        step = data["step"]
        for name, value in data.items():
            if name != "step":
                writer.add_scalar(name, value, step)

    train(log, writer.flush)
    writer.close()


def read(variant, directory):
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    (path,) = glob.glob(f"{directory}/events.*")
    for event in EventFileLoader(path).Load():
        for value in event.summary.value:
            if value.tag == "loss":
                yield event.step, value.tensor.float_val[0]
