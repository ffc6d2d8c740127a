"""wandb, offline: ``run.log`` with a step. Read by the frames of its file, LevelDB's log format with protobuf in it.

The package itself has no reader any more.
"""

import glob
import json
import os

os.environ.update(WANDB_MODE="offline", WANDB_SILENT="true", WANDB_ERROR_REPORTING="false")

import wandb  # noqa: E402  what it reads from the environment is set before

BLOCK = 32 * 1024
HEADER = 7  # of the file, and of each piece: CRC, length, kind


def record(variant, directory, train):
    settings = wandb.Settings(x_disable_stats=True, console="off", disable_git=True)
    run = wandb.init(project="benchmark", dir=directory, mode="offline", settings=settings)

    def log(data):
        run.log({name: value for name, value in data.items() if name != "step"}, step=data["step"])

    train(log)
    run.finish()


def records(content):
    """The whole records of a file, from their pieces."""
    offset, parts = HEADER, []
    while offset + HEADER <= len(content):
        if BLOCK - offset % BLOCK < HEADER:
            offset += BLOCK - offset % BLOCK
            continue
        length, kind = int.from_bytes(content[offset + 4 : offset + 6], "little"), content[offset + 6]
        offset += HEADER
        if kind not in (1, 2, 3, 4) or offset + length > len(content):
            return
        parts.append(content[offset : offset + length])
        offset += length
        if kind in (1, 4):  # the only piece, or the last
            yield b"".join(parts)
            parts = []


def read(variant, directory):
    from wandb.proto.wandb_internal_pb2 import Record

    (path,) = glob.glob(f"{directory}/wandb/offline-run-*/*.wandb")
    with open(path, "rb") as file:
        content = file.read()
    for text in records(content):
        found = Record()
        found.ParseFromString(text)
        if found.WhichOneof("record_type") == "history":
            items = {item.key or item.nested_key[0]: json.loads(item.value_json) for item in found.history.item}
            if "loss" in items:
                yield items["_step"], items["loss"]
