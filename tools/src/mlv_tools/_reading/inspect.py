"""The contents of an experiment: facts about its streams, and the files that its events refer to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mlv_tools._reading.tail_reader import TailReader
from mlvlogger import Event, Experiment, External, File, UnsupportedVersion

__all__ = ["StreamFacts", "referenced_files", "stream_facts"]


@dataclass(frozen=True)
class StreamFacts:
    """The size and the end of a stream.

    Attributes:
        name: The path of the stream in the experiment.
        events: The number of events, lifecycle events included.
        sessions: The number of sessions.
        last: The time of the last event.
        is_sealed: Whether the last event is a seal; `mlv-validate` checks whether the seal is right.
        torn: The number of bytes after the last line feed.
        trouble: Why the stream could not be read to its end; "" if it could.
    """

    name: str
    events: int
    sessions: int
    last: datetime | None
    is_sealed: bool
    torn: int
    trouble: str


def stream_facts(experiment: Experiment) -> Iterator[StreamFacts]:
    """Yield the facts about each stream of an experiment."""
    for stream in experiment.streams:
        events = sessions = 0
        last: Event | None = None
        trouble = ""
        try:
            for last in experiment.events(stream=stream, rewound=True, lifecycle=True):
                events += 1
                sessions += last.name == "mlv/start"
        except UnsupportedVersion as error:
            trouble = str(error)
        with (experiment.path / stream).open("rb") as file:
            torn = TailReader(file).torn
        is_sealed = last is not None and last.is_seal
        yield StreamFacts(stream, events, sessions, last.time if last else None, is_sealed, torn, trouble)


def referenced_files(experiment: Experiment) -> Iterator[tuple[File | External, str, str]]:
    """Yield each file that an event refers to, the name of the first such event, and whether the file exists."""
    seen = set()
    for stream in experiment.streams:
        try:
            for event in experiment.events(stream=stream, rewound=True, lifecycle=True):
                for file in _files(event.data):
                    if (key := (file.path, file.sha256)) not in seen:
                        seen.add(key)
                        yield file, event.name, _presence(experiment, file)
        except UnsupportedVersion:
            continue


def _files(tree: Any) -> Iterator[File | External]:
    if isinstance(tree, (File, External)):
        yield tree
    elif isinstance(tree, (dict, list)):
        for item in tree.values() if isinstance(tree, dict) else tree:
            yield from _files(item)


def _presence(experiment: Experiment, file: File | External) -> str:
    if isinstance(file, External) or file.experiment not in (None, experiment.id):
        return "elsewhere"
    path = experiment.path / file.path
    if path.is_symlink() or not path.is_file():
        return "missing"
    return "there" if path.stat().st_size == file.size else "of another size"
