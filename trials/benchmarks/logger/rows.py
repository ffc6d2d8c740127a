"""What is measured: each row's subject, ``ADAPTER:VARIANT``, and what the page calls it."""

__all__ = ["OWN", "PEERS", "SCALE", "SYNCED", "WRITERS"]

WRITERS = {"plain": "P", "mlv:direct": "mlvlogger, direct", "mlv:process": "mlvlogger, process"}

OWN = {
    **WRITERS,
    "mlv:exp": "direct, in an `Exp`",
    "mlv:exp+process": "process, in an `Exp`",
    "mlv:span": "direct, within a span",
    "mlv:keywords": "direct, data by keyword",
}

SCALE = {"plain:json": "`json.dumps` alone", "plain:write": "`os.write` of a ready line alone"}

SYNCED = {"plain:fdatasync": "`write` and `fdatasync` alone", "mlv:disk": '`durability="disk"`'}

PEERS = {
    "aim": "aim",
    "dvclive": "dvclive",
    "ml_logger": "ml-logger",
    "mlflow:file": "mlflow, files",
    "mlflow:sqlite": "mlflow, SQLite",
    "mllog": "mlperf-logging",
    "sacred": "sacred",
    "swanlab": "swanlab",
    "tensorboard": "tensorboard",
    "tensorboardx": "tensorboardX",
    "trackio": "trackio",
    "wandb": "wandb",
}
