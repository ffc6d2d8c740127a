"""The rows of the views, by the plain reader, `mlvlogger.read`: right for every directory, and slow for long logs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import IO, Any

from mlv_tools._trees import Found
from mlvlogger import Experiment, UnsupportedVersion

__all__ = ["Row", "event_rows", "experiment_row", "leftovers", "problem_row", "shown", "strays"]

Row = dict[str, Any]

_INT64 = 2**63
_MAX_LINE = 16 * 1024 * 1024


def experiment_row(found: Found, name: str) -> Row:
    """The row of `experiments`: of a broken one, its path and its error."""
    row: Row = {"experiment": name, "error": shown(found.error) if found.error else None}
    experiment = found.experiment
    if experiment is None:
        return row
    try:
        state = experiment.state
    except UnsupportedVersion as error:
        state = None
        row["error"] = shown(f"{error} (for details, run: mlv-validate {found.path})")
    return row | {
        "id": experiment.id,
        "parent": experiment.parent.id if experiment.parent else None,
        "name": experiment.name,
        "kind": experiment.kind,
        "created": _time(experiment.created),
        "state": state,
        "params": _fold(experiment, "params"),
        "tags": experiment.tags,
        "descriptions": experiment.descriptions,
        "environments": [record.get("environment", {}) for record in experiment.records],
        "extra": _fold(experiment, "extra"),
    }


def event_rows(experiment: Experiment, stream: str) -> Iterator[Row]:
    """The events of a stream that no rewind superseded, lifecycle events included, as rows of `events`.

    Raises UnsupportedVersion. Other trouble is reported in `experiment.problems`.
    """
    with open(experiment.path / stream, "rb") as file:
        lines = _lines(file)
        for event in experiment.events(stream=stream, lifecycle=True):
            line = next((line for number, line in lines if number == event.line), None)
            if line is None:  # the file was cut while it was read
                return
            yield {
                "seq": _int64(event.seq),
                "time": _time(event.time),
                "event": event.name,
                "data": json.loads(line)["data"],  # as the record has it: `event.data` is decoded
                "span": event.span,
                "begin": _int64(event.begin),
                "within": _int64(event.within),
                "seconds": event.seconds if type(event.seconds) in (int, float) else None,
            }


def leftovers(experiment: Experiment, stream: str) -> Iterator[tuple[str, int | None, str]]:
    """What the reader left out of a stream, and does not call a problem: what a crash left after the last line feed."""
    with open(experiment.path / stream, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        torn = 0
        while torn < size:
            start = max(0, size - torn - 65536)
            file.seek(start)
            block = file.read(size - torn - start)
            end = block.rfind(b"\n")
            if end >= 0:
                torn += len(block) - end - 1
                break
            torn += len(block)
        if torn:
            yield stream, None, f"the last {torn} bytes have no line feed after them and are not part of the log"


def strays(experiment: Experiment) -> Iterator[tuple[str, str]]:
    """The paths among the further streams of an experiment that look like a stream and aren't one, and why."""
    log = experiment.path / "log"
    if log.is_symlink():
        yield "log", "it is a symbolic link, which is not followed"
    elif log.is_dir():
        streams = experiment.streams
        for name in sorted(os.listdir(log)):
            if not name.endswith(".jsonl") or name.startswith(".") or f"log/{name}" in streams:
                continue
            if (log / name).is_symlink():
                yield f"log/{name}", "it is a symbolic link, which is not followed"
            else:
                yield f"log/{name}", "it isn't a stream: its name is not portable, or it isn't a regular file"


def problem_row(name: str, path: str, line: int | None, message: str) -> Row:
    """A row of `problems`."""
    return {"experiment": name, "path": shown(path), "line": line, "message": shown(message)}


def shown(text: str) -> str:
    """*text* as any reader of UTF-8 takes it: what a name has that is not UTF-8 becomes an escape."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _lines(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """The lines of a stream, numbered from 1. Of a line that is too long to be an event, only a part."""
    number = 0
    while line := file.readline(_MAX_LINE + 1):
        number += 1
        yield number, line
        while not line.endswith(b"\n") and (line := file.readline(_MAX_LINE + 1)):
            pass


def _fold(experiment: Experiment, member: str) -> Row:
    """The effective *member* of its records, as they have it: `experiment.params` is decoded."""
    effective: Row = {}
    for record in experiment.records:
        members = record.get(member)
        for name, value in members.items() if isinstance(members, dict) else ():
            effective.setdefault(name, value)
    return effective


def _time(time: datetime | None) -> str | None:
    try:
        return time.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ") if time else None
    except OverflowError:  # an offset that leads out of the years that there are
        return None


def _int64(value: int | None) -> int | None:
    return value if value is None or -_INT64 <= value < _INT64 else None
