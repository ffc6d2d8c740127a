"""What is in an experiment: facts about its streams, and the files that its events refer to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mlv_tools._ends import End
from mlvlogger import Event, Experiment, External, File, UnsupportedVersion

__all__ = ["StreamFacts", "attached", "facts"]


@dataclass(frozen=True)
class StreamFacts:
    """A stream: how much is in it, and how it ends.

    Attributes:
        name: Its path in the experiment.
        events, sessions: How many there are, lifecycle events included.
        last: The time of its last event.
        is_sealed: Is its last event a seal? Whether it is right, `mlv-validate` knows.
        torn: Bytes after the last line feed.
        trouble: Why it could not be read to its end, "" where it could.
    """

    name: str
    events: int
    sessions: int
    last: datetime | None
    is_sealed: bool
    torn: int
    trouble: str


def facts(experiment: Experiment) -> Iterator[StreamFacts]:
    """The facts about each stream of an experiment."""
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
            torn = End(file).torn
        is_sealed = last is not None and last.name in ("mlv/seal", "mlv/end")
        yield StreamFacts(stream, events, sessions, last.time if last else None, is_sealed, torn, trouble)


def attached(experiment: Experiment) -> Iterator[tuple[File | External, str, str]]:
    """Each file that an event of the experiment refers to, the event that does so first, and whether it is there."""
    seen = set()
    for stream in experiment.streams:
        try:
            for event in experiment.events(stream=stream, rewound=True, lifecycle=True):
                for file in _files(event.data):
                    if (key := (file.path, file.sha256)) not in seen:
                        seen.add(key)
                        yield file, event.name, _there(experiment, file)
        except UnsupportedVersion:
            continue


def _files(tree: Any) -> Iterator[File | External]:
    if isinstance(tree, (File, External)):
        yield tree
    elif isinstance(tree, (dict, list)):
        for item in tree.values() if isinstance(tree, dict) else tree:
            yield from _files(item)


def _there(experiment: Experiment, file: File | External) -> str:
    if isinstance(file, External) or file.experiment not in (None, experiment.id):
        return "elsewhere"
    path = experiment.path / file.path
    if path.is_symlink() or not path.is_file():
        return "missing"
    return "there" if path.stat().st_size == file.size else "of another size"
