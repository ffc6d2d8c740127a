"""The contents of an experiment: facts about its streams, and the files that its events refer to."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any

from mlv_tools._reading.tail_reader import TailReader
from mlvlogger import MAX_RECORD, Event, Experiment, External, File, UnsupportedVersion

__all__ = ["StreamFacts", "referenced_files", "stream_facts"]

_SEAL_END = 64 + len(b'"}}\n')  # bytes of the line of a seal from the first digit of its digest on (`seal.form`)


@dataclass(frozen=True)
class StreamFacts:
    """The size and the end of a stream.

    Attributes:
        name: The path of the stream in the experiment.
        events: The number of events, lifecycle events included.
        sessions: The number of sessions.
        last: The time of the last event.
        is_sealed: Whether the last event is a seal, and nothing was changed.
        changed: What was changed after it was sealed; "" if nothing was.
        torn: The number of bytes after the last line feed.
        trouble: Why the stream could not be read to its end; "" if it could.
    """

    name: str
    events: int
    sessions: int
    last: datetime | None
    is_sealed: bool
    changed: str
    torn: int
    trouble: str


def stream_facts(experiment: Experiment) -> Iterator[StreamFacts]:
    """Yield the facts about each stream of an experiment."""
    for stream in experiment.streams:
        events = sessions = 0
        last: Event | None = None
        trouble = changed = ""
        seals: dict[int, Event] = {}
        try:
            for last in experiment.events(stream=stream, rewound=True, lifecycle=True):
                events += 1
                sessions += last.name == "mlv/start"
                if last.is_seal:
                    seals[last.line] = last
                if last.name == "mlv/start" and last.data.get("experiment", experiment.id) != experiment.id:
                    changed = changed or f"meta.json isn't the record that line {last.line} names"
        except UnsupportedVersion as error:
            trouble = str(error)
        with (experiment.path / stream).open("rb") as file:
            torn = TailReader(file).torn
            file.seek(0)
            if line := _broken_seal(file, seals):
                changed = f"the seal on line {line} doesn't match the bytes before it"
        is_sealed = last is not None and last.is_seal and not changed
        yield StreamFacts(stream, events, sessions, last.time if last else None, is_sealed, changed, torn, trouble)


def _broken_seal(file: IO[bytes], seals: dict[int, Event]) -> int:
    """Return the line of the first seal whose `from` or `sha256` is wrong (`seal.from`, `seal.digest`), or 0.

    Args:
        file: The stream, at its beginning.
        seals: The seals by their lines.
    """
    number, place, offset = 1, 0, 0  # of the line; of the seal before; of the next byte
    digest = hashlib.sha256()
    while seals and (part := file.readline(MAX_RECORD)):
        if number in seals:
            found = seals.pop(number)
            digest.update(part[:-_SEAL_END])
            start = found.data.get("from")
            if isinstance(start, bool) or (start, found.data.get("sha256")) != (place, digest.hexdigest()):
                return number
            place = offset + len(part) - _SEAL_END
            digest = hashlib.sha256(part[-_SEAL_END:])
        else:
            digest.update(part)
        offset += len(part)
        number += part.endswith(b"\n")
    return 0


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
