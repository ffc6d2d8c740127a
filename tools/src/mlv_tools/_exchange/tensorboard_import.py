"""Import from TensorBoard: scalars, images, texts, histograms and hyperparameters, with their steps and wall times."""

from __future__ import annotations

import os
import shutil
import warnings
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain, count, islice
from pathlib import Path
from typing import Any

import mlvlogger
from mlv_tools import __version__
from mlv_tools._exchange.event_files import records
from mlv_tools._exchange.summary_values import content, hparams, is_utf8
from mlvlogger import Exp, ExperimentExists, File, MLVError, portable_name

__all__ = ["NothingToImport", "experiment_names", "import_run", "is_unfinished"]

_OWN = ("step", "wall_time", "tag", "file")  # members of data that the importer adds to the value
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KINDS = ((b"\x89PNG", "png"), (b"\xff\xd8\xff", "jpg"), (b"GIF8", "gif"), (b"BM", "bmp"))
_VERSION = "brain.Event:"


class NothingToImport(Exception):
    """A run has no event file with a record. The message names each of its files and the reason."""


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


def is_unfinished(directory: Path) -> bool:
    """Whether an import into a directory didn't end: it was killed, or is running."""
    try:
        experiment = mlvlogger.read(directory)
        return "tensorboard" in experiment.extra and experiment.state == "open"
    except (MLVError, OSError):
        return False


def import_run(run: str, files: list[Path], savedir: Path, name: str) -> tuple[Exp, Counter[str], list[str]]:
    """Create an experiment from a run. If that fails or is interrupted, no file remains.

    Args:
        run: The name of the run.
        files: Its event files.
        savedir: The directory for the experiment.
        name: The name of the experiment.

    Returns:
        The closed experiment, the numbers of its scalars, images, texts, histograms and superseded values, and messages
        about data that was left out or changed.

    Raises:
        NothingToImport: If no file has a record.
        ExperimentExists: If the directory of the experiment exists and isn't empty.
        MLVError: As `Exp`.
        OSError: As `Exp`.
    """
    found, messages = _scan(files)
    description = (
        "Imported from TensorBoard event files. The time of an event is that of the import; wall_time is the run's."
    )
    source: dict[str, Any] = {
        "run": run,
        "files": [mlvlogger.ref(file) for file in files],
        "importer": {"name": "mlvlogger-tools", "version": __version__},
    }
    if found.hparams:
        source["hparams"] = found.hparams
    if found.described:
        source["tags"] = found.described
    directory = savedir / name
    if os.path.lexists(directory) and not (directory.is_dir() and not os.listdir(directory)):
        raise ExperimentExists(f"{directory} already exists.")
    missing = [path for path in (savedir, *savedir.parents) if not path.exists()]
    try:
        # A value that is redacted or too large is a warning of the logger.
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", RuntimeWarning)
            exp = Exp(
                savedir, name, found.params, extra={"tensorboard": source}, description=description, on_error="raise"
            )
            with exp:
                importer = _Importer(exp, found)
                importer.import_run()
                if found.has_failed:
                    exp.close("failed")
    except BaseException as error:
        if not isinstance(error, ExperimentExists):  # that one is another program's
            shutil.rmtree(directory, ignore_errors=True)
        for path in missing:
            with suppress(OSError):
                path.rmdir()
        raise
    # The logger advises to pass numbers; a string of TensorBoard that reads as a number stays a string.
    messages += [said for said in (str(one.message) for one in caught) if "To log a metric, pass" not in said]
    return exp, importer.written, messages + importer.messages()


@dataclass
class _Found:
    """What must be known about a run before its values are imported.

    Attributes:
        counts: The number of records of each file. Later records, of a run that continues, are not imported.
        params: The hyperparameters.
        hparams: The other contents of the plugin hparams.
        described: The display name and the description of tags that have one.
        plugins: The plugin of each tag that names one.
        batches: The tags with several images in one value, each with the prefix of the names of its images.
        restarts: The index of each record that says that the run was restarted, and the smallest step of this restart
            and all later ones. Values before the record with this step or a later one are superseded.
        has_failed: Whether the run recorded that it failed.
    """

    counts: dict[Path, int] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    hparams: list[dict[str, Any]] = field(default_factory=list)
    described: dict[str, dict[str, str]] = field(default_factory=dict)
    plugins: dict[str, str] = field(default_factory=dict)
    batches: dict[str, str] = field(default_factory=dict)
    restarts: list[tuple[int, int]] = field(default_factory=list)
    has_failed: bool = False


def _scan(files: list[Path]) -> tuple[_Found, list[str]]:
    """Read all records once, and return what the import needs to know, and messages."""
    found = _Found()
    messages: list[str] = []
    left_out: Counter[str] = Counter()
    tags: set[str] = set()
    version, latest, backwards, odd_times, index = 0.0, 0, 0, 0, -1
    for file in files:
        found.counts[file] = 0
        for event in records(file, messages):
            index += 1
            found.counts[file] += 1
            if event.HasField("file_version"):
                version = _version(file, event.file_version, messages)
            odd_times += isinstance(_time(event.wall_time), str)
            if event.session_log.status == event.session_log.START and version >= 2:
                found.restarts.append((index, event.step))
            if event.HasField("summary"):
                backwards += version < 2 and event.step < latest
                latest = event.step
            for value in event.summary.value:
                tags.add(value.tag)
                _scan_value(value, found, messages, left_out)
    if index < 0:
        raise NothingToImport("; ".join(messages))
    for place in range(len(found.restarts) - 2, -1, -1):
        at, step = found.restarts[place]
        found.restarts[place] = at, min(step, found.restarts[place + 1][1])
    for tag in found.batches:
        while any(other.startswith(found.batches[tag]) for other in tags):
            found.batches[tag] += "image/"
    counted = {
        f"{odd_times} wall times aren't between the years 1 and 9999: they are recorded as strings": odd_times,
        f"steps go back {backwards} times in a file of an old version, for which TensorBoard hides the values"
        " before: all are imported": backwards,
    }
    messages += [message for message, number in counted.items() if number]
    return found, messages + [f"left out: {number} of {what}" for what, number in sorted(left_out.items())]


def _version(file: Path, text: str, messages: list[str]) -> float:
    """Return the version of a file, or -1 if it isn't a number, as TensorBoard does, and add a message."""
    try:
        return float(text.removeprefix(_VERSION))
    except ValueError:
        why = "isn't a number: restarts of the run aren't recognized, and all values are imported"
        messages.append(f"{file}: the version {text!r} {why}")
        return -1


def _scan_value(value: Any, found: _Found, messages: list[str], left_out: Counter[str]) -> None:
    if value.HasField("metadata") and value.tag not in found.plugins:
        # TensorFlow names the plugin with the first value alone, and TensorBoard ignores what later values name.
        found.plugins[value.tag] = value.metadata.plugin_data.plugin_name
        texts = {"display_name": value.metadata.display_name, "description": value.metadata.summary_description}
        if described := {name: text for name, text in texts.items() if text and text != value.tag}:
            found.described[value.tag] = described
    plugin = found.plugins.get(value.tag, "")
    if plugin == "images" and len(value.tensor.string_val) > 3:
        found.batches.setdefault(value.tag, f"{value.tag}/")
    if value.metadata.plugin_data.plugin_name != "hparams":
        return
    params, others, lost = hparams(value)
    left_out.update(lost)
    for name, param in params.items():
        kept = found.params.setdefault(name, param)
        if repr(kept) != repr(param):
            messages.append(
                f"the hyperparameter {name!r} is {kept!r} and later {param!r}: the first value is kept, as in"
                " TensorBoard"
            )
    if others and others not in found.hparams:
        found.hparams.append(others)
    if "session_end_info" in others:
        found.has_failed = others["session_end_info"].get("status") == "STATUS_FAILURE"


class _Importer:
    """Logs the values of a run.

    Attributes:
        written: The numbers of values that were logged: "scalars", "images", "texts", "histograms", and "superseded"
            ones.
    """

    def __init__(self, exp: Exp, found: _Found) -> None:
        self._exp = exp
        self._found = found
        self._places: dict[str, tuple[str, str, bool]] = {}  # what `_place` returned, by tag
        self._taken: set[tuple[str, str]] = set()  # the event and the member of each
        self._left_out: Counter[str] = Counter()
        self._escaped = 0
        self.written: Counter[str] = Counter()

    def messages(self) -> list[str]:
        """Return messages about data that was left out or changed."""
        messages = [f"left out: {number} of {what}" for what, number in sorted(self._left_out.items())]
        if self._escaped:
            messages.append(f"{self._escaped} texts aren't UTF-8: their other bytes are escaped")
        return messages

    def import_run(self) -> None:
        """Log everything. Nothing is deleted: superseded values come first, and are rewound."""
        if self._found.restarts:
            mark = self._exp.mark()
            self._import_values(is_superseded=True)
            if self.written["superseded"]:
                self._exp.rewind(mark, "superseded by a restart of the run at or before these steps")
        self._import_values(is_superseded=False)

    def _import_values(self, is_superseded: bool) -> None:
        """Log all values of the files that are superseded by a restart of the run, or all others."""
        restarts = iter([*self._found.restarts, (-1, 0)])
        restart, limit = next(restarts)
        index = -1
        for file, number in self._found.counts.items():
            for event in islice(records(file, []), number):
                index += 1
                while 0 <= restart <= index:
                    restart, limit = next(restarts)
                if (restart >= 0 and event.step >= limit) == is_superseded:
                    self._import_summary(event, is_superseded)
                if not is_superseded:
                    self._import_record(event)

    def _import_record(self, event: Any) -> None:
        """Log a record other than a summary, or count it."""
        kind = event.WhichOneof("what")
        if kind not in ("session_log", "log_message"):
            if kind not in ("summary", "file_version"):
                self._left_out[kind or "records without content"] += 1
            return
        from google.protobuf.json_format import MessageToDict

        record = getattr(event, kind)
        data = {"step": event.step, "wall_time": _time(event.wall_time)}
        # The names of enums, which are in capitals, and texts.
        data |= MessageToDict(record, preserving_proto_field_name=True)
        self._exp.log.event(f"tensorboard/{kind}", data)

    def _import_summary(self, event: Any, is_superseded: bool) -> None:
        """Log the values of one event; values whose tags have the same prefix become one event."""
        same: dict[str, dict[str, Any]] = {}
        for value in event.summary.value:
            kind, item = content(value, self._found.plugins.get(value.tag, ""))
            if kind is None:
                if item != "hparams":
                    self._left_out[item] += 1
                continue
            self._escaped += kind == "texts" and not is_utf8(value)
            items = {value.tag: item}
            if kind == "images":
                prefix = self._found.batches.get(value.tag)
                items = {value.tag if prefix is None else f"{prefix}{i}": image for i, image in enumerate(item)}
            self.written["superseded" if is_superseded else kind] += len(items)
            for tag, one in items.items():
                name, member, is_exact = self._place(tag)
                one = _attach(self._exp, tag, event.step, one) if kind == "images" else one
                data = {"step": event.step, "wall_time": _time(event.wall_time), member: one}
                if not is_exact:
                    self._exp.log.event(name, data, tag=tag)
                    continue
                if member in same.get(name, ()):  # a summary may have a tag several times
                    self._exp.log.event(name, same.pop(name))
                same.setdefault(name, {}).update(data)
        for name, data in same.items():
            self._exp.log.event(name, data)

    def _place(self, tag: str) -> tuple[str, str, bool]:
        """Return what `_split` returns. If another tag has this event and member, the member is numbered: `value~2`."""
        if tag not in self._places:
            name, member, is_exact = _split(tag)
            others = (f"{member}~{number}" for number in count(2))
            free = next(one for one in chain((member,), others) if (name, one) not in self._taken)
            self._taken.add((name, free))
            self._places[tag] = (name, free, is_exact and free == member)
        return self._places[tag]


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
