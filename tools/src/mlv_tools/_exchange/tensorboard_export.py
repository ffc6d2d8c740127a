"""Export to TensorBoard: scalars, hyperparameters, images, histograms, tables, with their steps and wall times."""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from itertools import count, takewhile
from pathlib import Path
from typing import Any

from mlv_tools._display.names import flatten
from mlv_tools._display.text import encodable
from mlv_tools._exchange.metric_meaning import meaning
from mlv_tools._exchange.summary_forms import histogram_value, table_value
from mlv_tools._exchange.table_files import naming
from mlv_tools._reading.trees import Found
from mlv_tools._sql.rows import log_strays, torn_end
from mlvlogger import TEMPORARY_PREFIX, Event, Experiment, External, File, Histogram, Problem, Table

__all__ = ["export", "run_name"]

_SHOWN = ("image/png", "image/jpeg", "image/gif", "image/bmp")  # every browser shows these
_EXACT = 2**53  # hyperparameters are doubles, which represent integers up to this one
_LABELS: tuple[tuple[Any, str], ...] = (
    (str, "texts"),
    (bool, "booleans"),
    (File | External, "files"),
    (dict | list, "nested values"),
)
# Metadata with plugin_data.plugin_name and data_class, which tensorboardX doesn't know. Without the latter, the data
# server of TensorBoard ignores the description.
_SCALAR = b"\x0a\x09\x0a\x07scalars\x20\x01"
_FLOAT32 = 3.4028235677973366e38  # from this number on, the nearest float32 is infinity
_SMALLEST = 2.0**-150  # up to this number, the nearest float32 is 0


def run_name(root: Path, found: Found) -> str:
    """Return the name of a run: the path of *found*, after the name of *root* if that is an experiment, too."""
    base = root.resolve()
    inside = found.path.relative_to(root)
    return (base.name / inside if (root / "meta.json").is_file() else inside).as_posix()


def export(experiment: Experiment, logdir: Path, name: str) -> tuple[Counter[str], Counter[str], list[str]]:
    """Write *experiment* as the run *name* into *logdir*, and each stream but the default one as a run below it.

    If that fails, the run gets no file.

    Returns:
        The numbers of scalars, images, histograms and tables that were written, the numbers of values by type for which
        TensorBoard has no form, and messages about other data that was left out or changed.

    Raises:
        FileExistsError: If one of the runs has event files already. TensorBoard would show both as one run.
        OSError: If the system refuses. If that is about the output, *filename* is the path of the run.
    """
    written: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    messages: list[str] = []
    directory = logdir / name
    streams = experiment.streams or [experiment.default_stream]
    inside = {one: "" if one == experiment.default_stream else one.removesuffix(".jsonl") for one in streams}
    for run in (directory / path for path in inside.values()):
        if run.is_dir() and any("tfevents" in file for file in os.listdir(run)):
            raise FileExistsError(f"{str(run)!r} already exists. Choose another LOGDIR, or delete this run.")
    with naming(str(directory)):
        logdir.mkdir(parents=True, exist_ok=True)
        temporary = tempfile.TemporaryDirectory(prefix=TEMPORARY_PREFIX, dir=logdir)
    with temporary as folder:
        for stream, path in inside.items():
            _write(experiment, stream, Path(folder, path), str(directory), written, left_out, messages)
        with naming(str(directory)):
            for file in sorted(file for file in Path(folder).rglob("*") if file.is_file()):
                target = directory / file.relative_to(folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                file.rename(target)
    messages += [f"{path} is left out: {why}" for path, why in log_strays(experiment)]
    torn = [problem for stream in experiment.streams for problem in torn_end(experiment, stream)]
    messages += [str(problem) for problem in (*experiment.problems, *(Problem(*one) for one in torn))]
    return written, left_out, messages


def _write(
    experiment: Experiment,
    stream: str,
    directory: Path,
    named: str,
    written: Counter[str],
    left_out: Counter[str],
    messages: list[str],
) -> None:
    """Write one stream into *directory*. An error of the system about a file there has the path *named*."""
    from tensorboardX.event_file_writer import EventsWriter
    from tensorboardX.proto.event_pb2 import Event as Record
    from tensorboardX.proto.summary_pb2 import Summary
    from tensorboardX.summary import hparams

    tags, metrics, last = _tags(experiment, stream)
    meanings = _meanings(experiment, stream, tags)
    with naming(named):
        directory.mkdir(parents=True, exist_ok=True)
        # Not another writer of tensorboardX: they pass records to a thread, and through queues between processes.
        writer = EventsWriter(str(directory / "events"))
    write = naming(named)(writer.write_event)
    try:
        if stream == experiment.default_stream:
            created = experiment.created.timestamp() if experiment.created else 0.0
            # In the same file as the scalars and before them: a separate file would hide the scalars from readers.
            described, started, ended = hparams(dict(_hparams(experiment)), metrics)
            for summary in [described, started] + [ended] * (experiment.state == "completed"):
                write(Record(wall_time=created, summary=summary))
        counts: Counter[tuple[str, str]] = Counter()
        too_large = too_small = unbucketed = 0
        # A log that grows meanwhile may have tags after that line which aren't known.
        for event in takewhile(lambda one: one.line <= last, _events(experiment, stream)):
            values: dict[int, list[Any]] = {}
            for name, number in event.metrics.items():
                tag = tags[_tag(experiment, event, name)]
                step = _step(event, name, counts)
                value = _float(number)
                too_large += abs(number) >= _FLOAT32 and abs(number) != math.inf
                too_small += 0 < abs(number) <= _SMALLEST
                values.setdefault(step, []).append(_scalar(tag, value, meanings.pop(tag, "")))
                written["scalars"] += 1
            for name, form in _forms(event):
                tag = tags[_tag(experiment, event, name)]
                step = _step(event, name, counts)
                is_table = isinstance(form, Table)
                values.setdefault(step, []).append((table_value if is_table else histogram_value)(tag, form))
                written["tables" if is_table else "histograms"] += 1
                unbucketed += 0 if isinstance(form, Table) else sum((form.nan or 0, form.below or 0, form.above or 0))
            for name, file in _images(event):
                image, why = _image(experiment, file)
                if image is None:
                    messages.append(f"{stream}:{event.line}: the image {file.path!r} is left out: {why}")
                    continue
                tag = tags[_tag(experiment, event, name)]
                step = _step(event, name, counts)
                values.setdefault(step, []).append(Summary.Value(tag=tag, image=image))
                written["images"] += 1
            for step, several in values.items():
                summary = Summary(value=several)
                write(Record(wall_time=_wall_time(experiment, event), step=step, summary=summary))
            left_out.update(_others(experiment, event))
        if too_large:
            messages.append(f"{stream}: {too_large} numbers are beyond float32 and became infinities")
        if unbucketed:
            messages.append(f"{stream}: {unbucketed} values of histograms have no bucket, and are left out")
        if too_small:
            messages.append(f"{stream}: {too_small} numbers are too small for float32 and became 0")
    finally:
        with naming(named):
            writer.close()


def _others(experiment: Experiment, event: Event) -> Iterator[str]:
    """Yield the type of each member of an event for which TensorBoard has no form."""
    exported = {"step", *event.metrics, *(name for name, _ in (*_images(event), *_forms(event)))}
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


def _forms(event: Event) -> Iterator[tuple[str, Any]]:
    """Yield the histograms and tables of an event, by name."""
    for name, value in event.data.items():
        if isinstance(value, Histogram) or (isinstance(value, Table) and value.columns):
            yield name, value


def _images(event: Event) -> Iterator[tuple[str, File]]:
    for name, value in event.data.items():
        if isinstance(value, File) and value.experiment is None and value.media_type in _SHOWN:
            yield name, value


def _tags(experiment: Experiment, stream: str) -> tuple[dict[tuple[str, str], str], dict[str, float], int]:
    """Return the tags of a stream by their parts, those of its metrics, for `hparams`, and the line of the last event.

    If two tags have the same text, names with `"` are quoted, and of these tags also names with `/`.
    """
    parts: dict[tuple[str, str], bool] = {}  # whether it is the tag of a metric
    last = 0
    for event in _events(experiment, stream):
        for name, _ in (*_images(event), *_forms(event)):
            parts.setdefault(_tag(experiment, event, name), False)
        for name in event.metrics:
            parts[_tag(experiment, event, name)] = True
        last = event.line
    texts = [encodable("".join(part)) for part in parts]
    if len({*texts}) < len(texts):
        counts = Counter(texts)
        texts = [
            encodable(_quoted(*part, '/"' if counts[text] > 1 else '"'))
            for part, text in zip(parts, texts, strict=True)
        ]
    tags = dict(zip(parts, _distinct(texts), strict=True))
    return tags, {tags[part]: 0.0 for part, is_metric in parts.items() if is_metric}, last


def _meanings(experiment: Experiment, stream: str, tags: dict[tuple[str, str], str]) -> dict[str, str]:
    """Return what metrics mean, by their tags, as far as the experiment defines it."""
    if not tags or not (definitions := experiment.metric_definitions(stream=stream)):
        return {}
    found = ((tag, meaning(definitions.of(event[:-1], name))) for (event, name), tag in tags.items() if name)
    return {tag: text for tag, text in found if text}


def _scalar(tag: str, value: float, meaning: str) -> Any:
    """Return the value of a summary. TensorBoard takes the meaning of a metric from the first value of the tag."""
    from tensorboardX.proto.summary_pb2 import Summary

    scalar = Summary.Value(tag=tag, simple_value=value)
    if meaning:
        scalar.metadata.ParseFromString(_SCALAR)
        scalar.metadata.summary_description = meaning
    return scalar


def _quoted(begin: str, name: str, special: str) -> str:
    """Return a tag whose name is quoted if it has a special character: two tags of this form are never the same."""
    return begin + (json.dumps(name, ensure_ascii=False) if {*special} & {*name} else name)


def _distinct(texts: list[str]) -> list[str]:
    """Return *texts*, of which equal ones but the first get a number: `a~2`."""
    distinct: dict[str, None] = {}
    for text in texts:
        numbered = (f"{text}~{number}" for number in count(2))
        free = text if text not in distinct else next(one for one in numbered if one not in {*distinct, *texts})
        distinct[free] = None
    return [*distinct]


def _tag(experiment: Experiment, event: Event, name: str) -> tuple[str, str]:
    """Return the tag in two parts, of which the second one is the name, or is empty if the tag was imported."""
    tag = event.data.get("tag") if "tensorboard" in experiment.extra else None
    return (tag, "") if isinstance(tag, str) else (f"{event.name}/", name)


def _wall_time(experiment: Experiment, event: Event) -> float:
    """Return the time of an event. An event that was imported from TensorBoard has its original time in its data."""
    time = event.data.get("wall_time") if "tensorboard" in experiment.extra else None
    if isinstance(time, str):  # beyond `datetime`
        with suppress(ValueError):
            return float(time)
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


def _hparams(experiment: Experiment) -> Iterator[tuple[str, str | bool | int | float]]:
    """Yield the parameters in the form of TensorBoard: one level of strings, booleans and doubles."""
    params = dict(flatten(experiment.params))
    # A name from TensorBoard goes back as it came, without quotes around its dots.
    given = {name: key for key in experiment.params for name, _ in flatten({key: None})}
    for name, value in params.items():
        if "tensorboard" in experiment.extra and given.get(name, name) not in params:
            name = encodable(given[name])
        if isinstance(value, float) and not math.isfinite(value):
            yield name, str(value)
        elif isinstance(value, float) or (isinstance(value, int) and abs(value) <= _EXACT):
            yield name, value
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
            yield name, encodable(text)


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
