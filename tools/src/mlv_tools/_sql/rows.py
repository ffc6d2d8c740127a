"""The rows of the views, read with `mlvlogger.read`: correct for every directory, but slow for long logs."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from mlv_tools._display.names import metric_label
from mlv_tools._reading.trees import Found, details, state_of
from mlv_tools._sql.changes import changes, effective
from mlvlogger import MAX_RECORD, Event, Experiment, UnsupportedVersion, unfollowed_links

__all__ = [
    "Row",
    "event_rows",
    "experiment_name",
    "experiment_row",
    "link_problems",
    "log_strays",
    "problem_row",
    "rounded",
    "storable",
    "torn_end",
]

Row = dict[str, Any]

_INT64 = 2**63
_SURROGATE = re.compile(r"[\ud800-\udfff]|\\ud[89a-f][0-9a-f]{2}")  # or the text of its escape


def experiment_name(root: Path, directory: Path) -> str:
    r"""Return the name of an experiment in the views: its path relative to *root*, and `.` for the root itself.

    Different directories have different names: if a path isn't UTF-8, or has the text of an escape such as `\udcff`,
    its backslashes are doubled.
    """
    name = directory.relative_to(root).as_posix()
    return storable(name.replace("\\", "\\\\") if _SURROGATE.search(name) else name)


def experiment_row(found: Found, name: str) -> Row:
    """Return the row of `experiments`. A broken experiment has a path and an error only; an unknown state is an error.

    Args:
        found: The experiment.
        name: The name of the experiment in the views.
    """
    row: Row = {"experiment": name, "error": storable(found.error) if found.error else None}
    experiment = found.experiment
    if experiment is None:
        return row
    state = None
    try:
        state = state_of(experiment)
    except (UnsupportedVersion, OSError) as error:
        row["error"] = storable(f"{error} {details(found.path)}")
    return row | {
        "id": experiment.id,
        "parent": experiment.parent_ref.id if experiment.parent_ref else None,
        "name": experiment.name,
        "kind": experiment.kind,
        "created": _time(experiment.created),
        "state": state,
        "params": effective(experiment, "params"),
        "changes": list(changes(experiment)),
        "tags": experiment.tags,
        "descriptions": experiment.descriptions,
        "environments": [record["environment"] for record in experiment.records if "environment" in record],
        "extra": effective(experiment, "extra"),
    }


def event_rows(experiment: Experiment, stream: str) -> Iterator[tuple[Event, Row]]:
    """Yield the events of a stream that aren't superseded, lifecycle events included, with their rows of `events`.

    Lines that were left out are in `experiment.problems`.

    Raises:
        UnsupportedVersion: If a session is of an unknown version.
        OSError: If the stream cannot be read.
    """
    with open(experiment.path / stream, "rb") as file:
        lines = _lines(file)
        for event in experiment.events(stream=stream, lifecycle=True):
            line = next((line for number, line in lines if number == event.line), None)
            if line is None:  # another program truncated the file in the meantime
                return
            row = {
                "seq": _int64(event.seq),
                "time": _time(event.time),
                "event": event.name,
                "step": _int64(event.step),
                "data": json.loads(line)["data"],  # as in the record, because `event.data` is decoded
                "span": event.span,
                "begin": _int64(event.begin),
                "within": _int64(event.within),
                "seconds": event.seconds if type(event.seconds) in (int, float) else None,
            }
            yield event, row


def torn_end(experiment: Experiment, stream: str) -> Iterator[tuple[str, int | None, str]]:
    """Yield the bytes after the last line feed of a stream that was read, which aren't in `experiment.problems`."""
    if torn := experiment.torn.get(stream):
        yield torn.path, torn.line, torn.message


def log_strays(experiment: Experiment) -> Iterator[tuple[str, str]]:
    """Yield the entries of the folder `log` that only look like streams, except `experiment.problems`: path, reason."""
    log = experiment.path / "log"
    if log.is_dir() and not log.is_symlink():
        known = {*experiment.streams, *(problem.path for problem in experiment.problems)}
        for name in sorted(os.listdir(log)):
            if name.endswith(".jsonl") and not name.startswith(".") and f"log/{name}" not in known:
                yield f"log/{name}", "it isn't a stream: its name is not portable"


def link_problems(root: str | os.PathLike[str]) -> Iterator[Row]:
    """Yield a row of `problems` for each symbolic link that may lead to experiments outside of *root*."""
    for link in unfollowed_links(root, outside=True):
        path = link.relative_to(root).as_posix()
        yield problem_row(".", path, None, "it is a symbolic link that leads outside of the root, and isn't followed")


def problem_row(name: str, path: str, line: int | None, message: str) -> Row:
    """Return a row of `problems`."""
    return {"experiment": name, "path": storable(path), "line": line, "message": storable(message)}


def rounded(number: int, event: str, name: str) -> str:
    """Return the message that the view `metrics` has integers of a stream only nearly.

    Args:
        number: The number of these integers.
        event: The event of the first one.
        name: The name of the first one.
    """
    integers = "1 integer" if number == 1 else f"{number} integers"
    return (
        f"digits of {integers} beyond 2**53, such as {metric_label(event, name)}, were left out of metrics.value, which"
        " has the nearest DOUBLE or an infinity; events.data has all digits"
    )


def storable(text: str) -> str:
    """Return *text* as valid UTF-8: bytes of a file name that aren't UTF-8 become escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _lines(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a stream, numbered from 1; only a part of a line that is too long to be an event."""
    number = 0
    while line := file.readline(MAX_RECORD + 1):
        number += 1
        yield number, line
        while not line.endswith(b"\n") and (line := file.readline(MAX_RECORD + 1)):
            pass


def _time(time: datetime | None) -> str | None:
    try:
        return time.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ") if time else None
    except OverflowError:  # the offset leads to a year that `datetime` doesn't have
        return None


def _int64(value: int | None) -> int | None:
    return value if value is None or -_INT64 <= value < _INT64 else None
