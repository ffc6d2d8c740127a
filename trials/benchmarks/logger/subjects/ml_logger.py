"""ml-logger: ``log_metrics`` of the data, flushed with each step. Read by its own reader of metrics.pkl."""

from ml_logger import ML_Logger


def record(variant, directory, train):
    logger = ML_Logger(root=directory, prefix="run")

    def log(data):
        logger.log(**data, silent=True, flush=True)

    train(log)


def read(variant, directory):
    for event in ML_Logger(root=directory, prefix="run").load_pkl("metrics.pkl"):
        yield event["step"], event["loss"]
