"""From TensorBoard's event files to experiments; TensorBoard's own package reads them."""

from __future__ import annotations

import os
import re
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import mlvlogger
from mlv_tools import __version__
from mlvlogger import Exp

__all__ = ["Imported", "import_run", "runs"]

_FORBIDDEN = re.compile(r"[^A-Za-z0-9._-]+")
_SUFFIXES = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpg", b"GIF8": "gif"}


@dataclass
class Imported:
    """What became of a run."""

    path: Path
    scalars: int = 0
    images: int = 0
    texts: int = 0
    left_out: Counter[str] = field(default_factory=Counter)


def runs(logdir: Path) -> Iterator[tuple[str, list[Path]]]:
    """The runs below a directory: a name, relative to it, and the event files. Links are not followed."""
    for directory, folders, names in os.walk(logdir):
        folders.sort()
        files = sorted(Path(directory, name) for name in names if "tfevents" in name)
        if files:
            yield Path(directory).relative_to(logdir).as_posix(), files


def import_run(logdir: Path, run: str, files: list[Path], savedir: Path) -> Imported:
    """Make an experiment of a run: its hyperparameters as params, its scalars, images and texts as events.

    A scalar with the tag ``epoch/batch/loss`` is the metric ``loss`` of an event ``epoch/batch``; scalars with one wall
    time, step and event are one event. Where it comes from is in `extra`, with the digests of the files. An event's
    `time` is when it is imported, as the specification says; the wall time of the run is in its data as `wall_time`.

    Raises what `Exp` raises: ExperimentExists for one that was imported before.
    """
    values = [value for file in files for value in _values(file)]
    params, metrics = {}, []
    for value in values:
        if value.plugin == "hparams":
            params.update(_params(value.content))
        else:
            metrics.append(value)
    torn = {file.name: size for file in files if (size := _torn(file))}
    origin = {
        "format": "tensorboard",
        "run": run,
        "files": [mlvlogger.ref(file) for file in files],
        "torn": torn,
        "tool": f"mlvlogger-tools {__version__}",
    }
    folder, name = _place(savedir, logdir, run)
    with Exp(folder, name, params, kind="import", extra={"imported": origin}) as exp:
        imported = Imported(exp.path)
        for file_name, size in torn.items():
            imported.left_out[f"the last {size} bytes of {file_name}, which are no whole record"] += 1
        _log(exp, metrics, imported)
    return imported


def _place(savedir: Path, logdir: Path, run: str) -> tuple[Path, str]:
    """Where the experiment of a run goes: portable names, made of the run's."""
    parts = [logdir.resolve().name] if run == "." else run.split("/")
    *folders, name = [_FORBIDDEN.sub("-", part).strip("-.") or "run" for part in parts]
    return savedir.joinpath(*folders), name[:100]


@dataclass(frozen=True)
class _Value:
    """A value of a summary: its plugin is scalars, images, text, hparams or another."""

    tag: str
    plugin: str
    step: int
    wall_time: float
    tensor: Any
    content: bytes


def _values(file: Path) -> Iterator[_Value]:
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    for event in EventFileLoader(str(file)).Load():
        for value in event.summary.value:
            data = value.metadata.plugin_data
            yield _Value(value.tag, data.plugin_name, event.step, event.wall_time, value.tensor, data.content)


def _torn(file: Path) -> int:
    """Bytes at the end of a file that are no whole record: a length, its checksum, the data, and their checksum."""
    size = file.stat().st_size
    place = 0
    with file.open("rb") as stream:
        while len(head := stream.read(8)) == 8:
            (length,) = struct.unpack("<Q", head)
            if place + length + 16 > size:
                break
            place = stream.seek(place + length + 16)
    return size - place


def _params(content: bytes) -> dict[str, Any]:
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    start = HParamsPluginData.FromString(content).session_start_info
    found = {}
    for name, value in sorted(start.hparams.items()):  # a map without an order
        kind = value.WhichOneof("kind")
        found[name] = None if kind in (None, "null_value") else getattr(value, kind)
    return found


def _log(exp: Exp, values: list[_Value], imported: Imported) -> None:
    from tensorboard.util.tensor_util import make_ndarray

    group: dict[str, Any] = {}
    at: tuple[Any, ...] = ()

    def flush() -> None:
        if group:
            event, step, wall_time = at
            exp.log.event(event, {"step": step, **group, "wall_time": _time(wall_time)})
            group.clear()

    for value in values:
        event, _, name = value.tag.rpartition("/")
        event = "/".join(part for part in event.split("/") if part) or "scalar"
        event = f"run/{event}" if event == "mlv" or event.startswith("mlv/") else event
        name = name or "value"
        if value.plugin == "scalars":
            if (event, value.step, value.wall_time) != at or name in group:
                flush()
                at = (event, value.step, value.wall_time)
            group[name] = float(make_ndarray(value.tensor).item())
            imported.scalars += 1
            continue
        flush()
        common = {"step": value.step, "wall_time": _time(value.wall_time)}
        if value.plugin == "images":
            for number, data in enumerate(make_ndarray(value.tensor).ravel().tolist()[2:]):
                exp.log.event(event, {**common, name: _attach(exp, value, number, data)})
                imported.images += 1
        elif value.plugin == "text":
            texts = [one.decode("utf-8", "replace") for one in make_ndarray(value.tensor).ravel().tolist()]
            exp.log.event(event, {**common, name: texts[0] if len(texts) == 1 else texts})
            imported.texts += 1
        else:
            imported.left_out[f"values of the plugin {value.plugin or '(none)'!r}"] += 1
    flush()


def _attach(exp: Exp, value: _Value, number: int, data: bytes) -> Any:
    suffix = next((suffix for magic, suffix in _SUFFIXES.items() if data.startswith(magic)), "bin")
    name = _FORBIDDEN.sub("-", value.tag).strip("-.") or "image"
    with exp.create(f"{name[:60]}/{value.step}-{number}.{suffix}") as file:
        file.write(data)
    return file.ref


def _time(wall_time: float) -> datetime:
    return datetime.fromtimestamp(wall_time, timezone.utc)
