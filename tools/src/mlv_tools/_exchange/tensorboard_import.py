"""Import from TensorBoard: scalars, images, texts and hyperparameters, with their steps and wall times."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import mlvlogger
from mlv_tools import __version__
from mlv_tools._display.names import identity
from mlvlogger import Exp, File, portable_name

__all__ = ["NothingToImport", "experiment_names", "import_run", "runs"]

_LARGEST = 2**30  # bytes of a record; a larger length is damage, even if its checksum is right
_OWN = ("step", "wall_time", "tag", "file")  # members of data that the importer adds to the value
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KINDS = ((b"\x89PNG", "png"), (b"\xff\xd8\xff", "jpg"), (b"GIF8", "gif"), (b"BM", "bmp"))
_OTHERS = (
    (b"\x1f\x8b", "is compressed with gzip. Decompress the file"),
    (b"version http", "is a pointer of Git LFS. Run git lfs pull"),
)
# The numbers of a tensor by its DataType: the format if they are packed, and the field if they aren't.
_NUMBERS = {1: ("f", "float_val"), 2: ("d", "double_val"), 3: ("i", "int_val"), 9: ("q", "int64_val")}


class NothingToImport(Exception):
    """A run has no event file with a record. The message names each of its files and the reason."""


def runs(logdir: Path) -> Iterator[tuple[str, list[Path]]]:
    """Yield the runs in and below *logdir* by name, each with its event files in the order of their creation."""
    found: dict[str, list[Path]] = {}
    for path in logdir.rglob("*tfevents*"):
        if path.is_file() and not path.is_symlink():
            found.setdefault(path.parent.relative_to(logdir).as_posix(), []).append(path)
    for run in sorted(found):
        yield run, sorted(found[run])


def experiment_names(logdir: Path, runs: Iterable[str]) -> dict[str, str]:
    """Return a portable name for the experiment of each run. No two names differ only by case."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for run in runs:
        wanted = name = portable_name(logdir.resolve().name if run == "." else run.replace("/", "_"))
        number = 1
        while name.lower() in taken:
            number += 1
            name = portable_name(f"{wanted}-{number}")
        names[run] = name
        taken.add(name.lower())
    return names


def import_run(run: str, files: list[Path], savedir: Path, name: str) -> tuple[Exp, Counter[str], list[str]]:
    """Create an experiment from a run.

    Args:
        run: The name of the run.
        files: Its event files.
        savedir: The directory for the experiment.
        name: The name of the experiment.

    Returns:
        The closed experiment, the numbers of its scalars, images and texts, and messages about data that was left out.

    Raises:
        NothingToImport: If no file has a record. No experiment is created.
        ExperimentExists: If the experiment exists.
        MLVError: As `Exp`.
        OSError: As `Exp`.
    """
    params: dict[str, Any] = {}
    replaced: set[str] = set()
    faults: list[str] = []
    is_empty = True
    for file in files:
        for event in _records(file, faults):
            found = _hparams(event)
            replaced |= {name for name in found if name in params and identity(params[name]) != identity(found[name])}
            params |= found
            is_empty = False
    if is_empty:
        raise NothingToImport("; ".join(faults))
    extra = {
        "tensorboard": {
            "run": run,
            "files": [mlvlogger.ref(file) for file in files],
            "importer": {"name": "mlvlogger-tools", "version": __version__},
        }
    }
    description = (
        "Imported from TensorBoard event files. The time of an event is that of the import; wall_time is the run's."
    )
    written: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    messages: list[str] = []
    with Exp(savedir, name, params, extra=extra, description=description) as exp:
        plugins: dict[str, str] = {}  # by tag, because only the first value of a tag may name the plugin
        for file in files:
            for event in _records(file, messages):
                _import(exp, event, plugins, written, left_out)
        messages += [f"left out: {number} of {what}" for what, number in sorted(left_out.items())]
        messages += [f"left out: an earlier value of the hyperparameter {name!r}" for name in sorted(replaced)]
    return exp, written, messages


def _records(path: Path, messages: list[str]) -> Iterator[Any]:
    """Yield the events of a file up to the first damage, and add a message about the damage.

    TensorBoard's own reader stops there without a message.
    """
    from google.protobuf.message import DecodeError
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.record_writer import masked_crc32c

    offset = count = 0
    with path.open("rb") as file:
        while header := file.read(12):
            why = ""
            length = int.from_bytes(header[:8], "little")
            if len(header) < 12:
                why = "is cut off"
            elif int.from_bytes(header[8:], "little") != masked_crc32c(header[:8]) or length > _LARGEST:
                why = "has a damaged length"
            else:
                body = file.read(length + 4)
                if len(body) < length + 4:
                    why = "is cut off"
                elif int.from_bytes(body[length:], "little") != masked_crc32c(body[:length]):
                    why = "does not match its checksum"
                else:
                    try:
                        event = Event.FromString(body[:length])
                    except DecodeError:
                        why = "isn't an event of TensorBoard"
            if why and not count:
                fault = f"isn't an event file: the record at byte 0 {why}"
                fault = next((other for magic, other in _OTHERS if header.startswith(magic)), fault)
                messages.append(f"{path} {fault}")
                return
            if why:
                messages.append(
                    f"{path}: the record at byte {offset} {why}; the {count} records before it are imported"
                )
                return
            yield event
            offset += 16 + length
            count += 1
    if not count:
        messages.append(f"{path} has no records")


def _hparams(event: Any) -> dict[str, Any]:
    from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData

    params: dict[str, Any] = {}
    for value in event.summary.value:
        if value.metadata.plugin_data.plugin_name == "hparams":
            data = HParamsPluginData.FromString(value.metadata.plugin_data.content)
            for name, param in sorted(data.session_start_info.hparams.items()):
                kind = param.WhichOneof("kind")
                if kind in ("number_value", "string_value", "bool_value"):
                    params[name] = getattr(param, kind)
    return params


def _import(exp: Exp, event: Any, plugins: dict[str, str], written: Counter[str], left_out: Counter[str]) -> None:
    """Log the values of one event; values whose tags have the same prefix become one event."""
    same: dict[str, dict[str, Any]] = {}
    if event.WhichOneof("what") in ("graph_def", "meta_graph_def", "tagged_run_metadata"):
        left_out[event.WhichOneof("what")] += 1
    for value in event.summary.value:
        plugin = plugins.setdefault(value.tag, value.metadata.plugin_data.plugin_name)
        kind, content = _content(value, plugin)
        if kind is None:
            if content != "hparams":
                left_out[content] += 1
            continue
        written[kind] += 1
        name, member, exact = _split(value.tag)
        if kind == "images":
            content = _attach(exp, value.tag, event.step, content)
        data = {"step": event.step, "wall_time": _time(event.wall_time), member: content}
        if exact:
            if member in same.get(name, {}):  # the tag occurs twice: a second event, because an event has a name once
                exp.log.event(name, same.pop(name))
            same.setdefault(name, {}).update(data)
        else:
            exp.log.event(name, data, tag=value.tag)
    for name, data in same.items():
        exp.log.event(name, data)


def _content(value: Any, plugin: str) -> tuple[str | None, Any]:
    """Return the kind of a value ("scalars", "images" or "texts") and its content; or None and the name of its type."""
    kind = value.WhichOneof("value")
    if kind == "simple_value":
        return "scalars", value.simple_value
    if kind == "image":
        return "images", value.image.encoded_image_string
    if kind == "tensor":
        tensor = value.tensor
        if plugin == "scalars" and tensor.dtype in _NUMBERS:
            code, field = _NUMBERS[tensor.dtype]
            if len(tensor.tensor_content) == struct.calcsize(f"<{code}"):
                return "scalars", struct.unpack(f"<{code}", tensor.tensor_content)[0]
            if len(getattr(tensor, field)) == 1:
                return "scalars", getattr(tensor, field)[0]
        if plugin == "images" and len(tensor.string_val) == 3:  # width, height and the one image
            return "images", tensor.string_val[2]
        if plugin == "text" and tensor.string_val:
            texts = [text.decode("utf-8", "replace") for text in tensor.string_val]
            return "texts", texts[0] if len(texts) == 1 else texts
    return None, plugin or kind or "values without content"


def _split(tag: str) -> tuple[str, str, bool]:
    """Return the names of the event and of the member of its data, and whether they are the tag if joined."""
    name, slash, member = tag.rpartition("/")
    segments = name.split("/")
    if slash and all(segments) and segments[0] != "mlv" and name.isprintable() and len(name) <= 1000:
        if member and member not in _OWN:
            return name, member, True
        return name, "value", False
    return "tensorboard", tag if tag and tag not in _OWN else "value", False


def _time(wall_time: float) -> datetime | str:
    try:
        return _EPOCH + timedelta(seconds=wall_time)
    except (OverflowError, ValueError):  # `datetime` doesn't have this time
        return repr(wall_time)


def _attach(exp: Exp, tag: str, step: int, content: bytes) -> File | None:
    suffix = next((suffix for magic, suffix in _KINDS if content.startswith(magic)), "bin")
    # Of two tags with one folder, such as a/b and a_b, the files of a step get different names.
    folder = portable_name(tag.replace("/", "_"))
    with exp.create(f"{folder}/{portable_name(f'{step}.{suffix}', is_file=True)}") as file:
        file.write(content)
    return file.ref
