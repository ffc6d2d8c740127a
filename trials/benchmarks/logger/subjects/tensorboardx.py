"""tensorboardX: ``SummaryWriter.add_scalar`` for each value. Read by tensorboard's own loader."""

import glob

from tensorboardX import SummaryWriter


def record(variant, directory, train):
    with SummaryWriter(directory) as writer:

        def log(data):
            step = data["step"]
            for name, value in data.items():
                if name != "step":
                    writer.add_scalar(name, value, step)

        train(log, writer.flush)


def read(variant, directory):
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    (path,) = glob.glob(f"{directory}/events.*")
    for event in EventFileLoader(path).Load():
        for value in event.summary.value:
            if value.tag == "loss":
                yield event.step, value.tensor.float_val[0]
