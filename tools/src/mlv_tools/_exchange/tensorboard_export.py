"""Export to TensorBoard: scalars, hyperparameters and images, with their steps and wall times."""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from mlv_tools._display.text import encodable
from mlv_tools._reading.trees import Found
from mlvlogger import Event, Experiment, External, File

__all__ = ["export", "run_name"]

_SHOWN = ("image/png", "image/jpeg", "image/gif", "image/bmp")  # every browser shows these
_EXACT = 2**53  # hyperparameters are doubles, which represent integers up to this one
_LABELS: tuple[tuple[Any, str], ...] = (
    (str, "texts"),
    (bool, "booleans"),
    (File | External, "files"),
    (dict | list, "nested values"),
)
_FLOAT32 = 3.4028235677973366e38  # from this number on, the nearest float32 is infinity


def run_name(root: Path, found: Found) -> str:
    """Return the name of a run: the path of *found*, after the name of *root* if that is an experiment, too."""
    base = root.resolve()
    inside = found.path.relative_to(root)
    return (base.name / inside if (root / "meta.json").is_file() else inside).as_posix()


def export(experiment: Experiment, directory: Path) -> tuple[Counter[str], Counter[str], list[str]]:
    """Write *experiment* as a run into *directory*, and each stream but the default one as a run below it.

    If that fails, *directory* gets no file.

    Returns:
        The numbers of scalars and images that were written, the numbers of values by type for which TensorBoard has no
        form, and messages about other data that was left out or changed.
    """
    written: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    messages: list[str] = []
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".mlv-", dir=directory.parent) as folder:
        for stream in experiment.streams or [experiment.default_stream]:
            inside = "" if stream == experiment.default_stream else stream.removesuffix(".jsonl")
            _write(experiment, stream, Path(folder, inside), written, left_out, messages)
        for path in sorted(path for path in Path(folder).rglob("*") if path.is_file()):
            target = directory / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
    messages += [f"{problem.path}:{problem.line or ''}: {problem.message}" for problem in experiment.problems]
    return written, left_out, messages


def _write(
    experiment: Experiment,
    stream: str,
    directory: Path,
    written: Counter[str],
    left_out: Counter[str],
    messages: list[str],
) -> None:
    from tensorboardX.event_file_writer import EventsWriter
    from tensorboardX.proto.event_pb2 import Event as Record
    from tensorboardX.proto.summary_pb2 import Summary
    from tensorboardX.summary import hparams

    tags = {tag: 0.0 for tag in _tags(experiment, stream, messages)}
    directory.mkdir(parents=True, exist_ok=True)
    # Not another writer of tensorboardX: they pass records to a thread, and through queues between processes.
    writer = EventsWriter(str(directory / "events"))
    try:
        if stream == experiment.default_stream:
            created = experiment.created.timestamp() if experiment.created else 0.0
            # In the same file as the scalars and before them: a separate file would hide the scalars from readers.
            described, started, ended = hparams(_params(experiment, messages), tags)
            for summary in [described, started] + [ended] * (experiment.state == "completed"):
                writer.write_event(Record(wall_time=created, summary=summary))
        counts: Counter[tuple[str, str]] = Counter()
        too_large = 0
        for event in _events(experiment, stream):
            values: dict[int, list[Any]] = {}
            for name, number in event.metrics.items():
                tag = _tag(experiment, event, name)
                step = _step(event, name, counts)
                value = _float(number)
                too_large += abs(number) >= _FLOAT32 and abs(number) != math.inf
                values.setdefault(step, []).append(Summary.Value(tag=tag, simple_value=value))
                written["scalars"] += 1
            for name, file in _images(event):
                image, why = _image(experiment, file)
                if image is None:
                    messages.append(f"{stream}:{event.line}: the image {file.path!r} is left out: {why}")
                    continue
                tag = _tag(experiment, event, name)
                step = _step(event, name, counts)
                values.setdefault(step, []).append(Summary.Value(tag=tag, image=image))
                written["images"] += 1
            for step, several in values.items():
                summary = Summary(value=several)
                writer.write_event(Record(wall_time=_wall_time(experiment, event), step=step, summary=summary))
            left_out.update(_others(experiment, event))
        if too_large:
            messages.append(f"{stream}: {too_large} numbers are beyond float32 and became infinities")
    finally:
        writer.close()


def _tags(experiment: Experiment, stream: str, messages: list[str]) -> Iterator[str]:
    """Yield the tags of the metrics of a stream, and add a message about each tag of several metrics."""
    found: dict[str, tuple[str, str]] = {}
    reported: set[str] = set()
    for event in _events(experiment, stream):
        for name in [*event.metrics, *(name for name, _ in _images(event))]:
            tag = _tag(experiment, event, name)
            first = found.setdefault(tag, (event.name, name))
            if first != (event.name, name) and tag not in reported:
                reported.add(tag)
                messages.append(
                    f"{stream}: {first[1]!r} of the events {first[0]!r} and {name!r} of {event.name!r} have one tag,"
                    f" {tag!r}, and are one curve in TensorBoard"
                )
    yield from found


def _params(experiment: Experiment, messages: list[str]) -> dict[str, str | bool | int | float]:
    """Return the hyperparameters, and add a message about each parameter whose name another one has."""
    params: dict[str, str | bool | int | float] = {}
    for name, value in _flat(experiment.params):
        if params.setdefault(name, value) is not value:
            messages.append(
                f"a second parameter {name!r} is left out: nested names are joined by dots, and {params[name]!r} has"
                " the name"
            )
    return params


def _others(experiment: Experiment, event: Event) -> Iterator[str]:
    """Yield the type of each member of an event for which TensorBoard has no form."""
    exported = {"step", *event.metrics, *(name for name, _ in _images(event))}
    if "tensorboard" in experiment.extra:
        exported |= {"tag", "wall_time"}
    if event.span == "end":
        yield "spans"
    for name, value in event.data.items():
        if name not in exported:
            yield next((label for kind, label in _LABELS if isinstance(value, kind)), "other values")


def _events(experiment: Experiment, stream: str) -> Iterator[Event]:
    try:
        yield from experiment.events(stream=stream)
    except FileNotFoundError:  # the experiment has no log
        return


def _images(event: Event) -> Iterator[tuple[str, File]]:
    for name, value in event.data.items():
        if isinstance(value, File) and value.experiment is None and value.media_type in _SHOWN:
            yield name, value


def _tag(experiment: Experiment, event: Event, name: str) -> str:
    tag = event.data.get("tag") if "tensorboard" in experiment.extra else None
    return encodable(tag if isinstance(tag, str) else f"{event.name}/{name}")


def _wall_time(experiment: Experiment, event: Event) -> float:
    """Return the time of an event. An event that was imported from TensorBoard has its original time in its data."""
    time = event.data.get("wall_time") if "tensorboard" in experiment.extra else None
    return (time if isinstance(time, datetime) and time.tzinfo else event.time).timestamp()


def _step(event: Event, name: str, counts: Counter[tuple[str, str]]) -> int:
    """Return the step of an event, or the number of events of its name before it that have the member `name`."""
    count = counts[event.name, name]
    counts[event.name, name] += 1
    return count if event.step is None else event.step


def _float(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _flat(params: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str | bool | int | float]]:
    """Yield the parameters in the form of TensorBoard: one level of strings, booleans and doubles."""
    for name, value in params.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{name}.")
        elif isinstance(value, float) and not math.isfinite(value):
            yield prefix + name, str(value)
        elif isinstance(value, float) or (isinstance(value, int) and abs(value) <= _EXACT):
            yield prefix + name, value
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
            yield prefix + name, encodable(text)


def _image(experiment: Experiment, file: File) -> tuple[Any, str]:
    """Return the image, or None and the reason: the path may lead anywhere, and the bytes may have changed."""
    from PIL import Image
    from tensorboardX.proto.summary_pb2 import Summary

    root = os.path.realpath(experiment.path)
    path = os.path.join(root, file.path)
    if os.path.realpath(path) != os.path.normpath(path) or not path.startswith(root + os.sep):
        return None, "its path leads outside of the experiment, or through a symbolic link"
    try:
        content = Path(path).read_bytes()
        if hashlib.sha256(content).hexdigest() != file.sha256:
            return None, "its digest differs from the recorded one"
        with Image.open(io.BytesIO(content)) as image:
            return Summary.Image(
                width=image.width, height=image.height, colorspace=len(image.getbands()), encoded_image_string=content
            ), ""
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        return None, str(error)
