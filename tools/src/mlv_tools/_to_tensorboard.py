"""From experiments to TensorBoard's event files, written by tensorboardX."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlv_tools._pictures import pictures, png_size
from mlv_tools._summary import is_number
from mlvlogger import Experiment, UnsupportedVersion

__all__ = ["Written", "write"]


@dataclass
class Written:
    """What was written of an experiment, and what could not be."""

    scalars: int = 0
    images: int = 0
    left_out: list[str] = field(default_factory=list)


def write(experiment: Experiment, directory: Path) -> Written:
    """Write an experiment as one run into *directory*: scalars, hyperparameters and images.

    The tag of a metric is the name of its event and its own, ``epoch/batch/loss``, behind that of the stream where
    this is not the default one. Wall times are those of the events. Rewound events are left out.
    Raises OSError.
    """
    from tensorboardX.writer import FileWriter

    written = Written()
    file = FileWriter(str(directory))
    try:
        scalars = [one for stream in experiment.streams for one in _scalars(experiment, stream, written)]
        _write_params(file, experiment, sorted({tag for tag, *_ in scalars}))
        for tag, value, step, wall_time in scalars:
            file.add_summary(_scalar(tag, value), step, wall_time)
        written.scalars = len(scalars)
        for stream in experiment.streams:
            _write_pictures(file, experiment, stream, written)
    finally:
        file.close()
    return written


def _prefix(stream: str) -> str:
    return "" if stream == "log.jsonl" else stream.removeprefix("log/").removesuffix(".jsonl") + "/"


def _scalars(experiment: Experiment, stream: str, written: Written) -> Iterator[tuple[str, float, int, float]]:
    counts: dict[str, int] = {}
    try:
        for event in experiment.events(stream=stream):
            step: Any = event.data.get("step")
            for name, value in event.data.items():
                if not is_number(value) or name == "step":
                    continue
                tag = f"{_prefix(stream)}{event.name}/{name}"
                number = counts[tag] = counts.get(tag, -1) + 1
                at = int(step) if is_number(step) and step == step // 1 else number
                yield tag, float(value), at, event.time.timestamp()
    except UnsupportedVersion as error:
        written.left_out.append(f"{stream}: {error}")


def _scalar(tag: str, value: float) -> Any:
    from tensorboardX.proto.summary_pb2 import Summary

    return Summary(value=[Summary.Value(tag=tag, simple_value=value)])


def _write_params(file: Any, experiment: Experiment, tags: list[str]) -> None:
    """The hyperparameters, first in the same file: a file of their own would hide the scalars from some readers."""
    from tensorboardX.summary import hparams

    params = {name: _param(value) for name, value in _flat(experiment.params)}
    if params:
        for summary in hparams(params, dict.fromkeys(tags, 0.0)):
            file.add_summary(summary, walltime=experiment.created.timestamp() if experiment.created else None)


def _flat(tree: dict[str, Any], name: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{name}{key}.")
        else:
            yield f"{name}{key}", value


def _param(value: Any) -> bool | int | float | str:
    """What the format can hold: truth values, doubles and strings."""
    if isinstance(value, (bool, float, str)) or (isinstance(value, int) and abs(value) < 2**53):
        return value
    return str(value) if not isinstance(value, list) else json.dumps(value, default=str)


def _write_pictures(file: Any, experiment: Experiment, stream: str, written: Written) -> None:
    from tensorboardX.proto.summary_pb2 import Summary

    try:
        for number, picture in enumerate(pictures(experiment, stream)):
            data = picture.path.read_bytes()
            width, height = png_size(data)
            image = Summary.Image(width=width, height=height, colorspace=3, encoded_image_string=data)
            tag = f"{_prefix(stream)}{picture.event.name}/{picture.member}"
            step = picture.event.data.get("step")
            at = step if isinstance(step, int) else number
            summary = Summary(value=[Summary.Value(tag=tag, image=image)])
            file.add_summary(summary, at, picture.event.time.timestamp())
            written.images += 1
    except UnsupportedVersion:
        pass  # the scalars have said so
    except OSError as error:
        written.left_out.append(str(error))
