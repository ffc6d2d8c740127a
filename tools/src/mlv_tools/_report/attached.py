"""The files that events refer to, and their content."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlv_tools._reading.trees import Found

__all__ = ["Reference", "content_of", "references"]


@dataclass(frozen=True)
class Reference:
    """A `file` value in the data of an event.

    Attributes:
        event: The name of the event.
        stream: The stream of the event.
        seq: The seq of the event.
        key: The path of the value in the data, such as `file` or `samples.0`.
        step: The member `step` of the data, or None if it isn't an integer.
        path: The path of the file, or "".
        size: The size of the file in bytes, or 0.
        sha256: The digest of the file, or "".
        media_type: The media type of the file, or None.
        experiment: The id of the experiment of the file, or None.
    """

    event: str
    stream: str
    seq: int
    key: str
    step: int | None
    path: str
    size: int
    sha256: str
    media_type: str | None
    experiment: str | None


def references(event: str, stream: str, seq: int, step: int | None, data: str) -> Iterator[Reference]:
    """Yield the `file` values in the data of an event.

    Args:
        event: The name of the event.
        stream: The stream of the event.
        seq: The seq of the event.
        step: The step of the event, or None.
        data: The data as JSON.
    """
    tree = json.loads(data)
    waiting: list[tuple[tuple[str, ...], Any]] = [((), tree)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, list):
            waiting += [((*path, str(i)), item) for i, item in reversed(list(enumerate(value)))]
        elif not isinstance(value, dict):
            continue
        elif value.get("_mlv") == "file":
            yield Reference(
                event,
                stream,
                seq,
                ".".join(path),
                step,
                _text(value.get("path")) or "",
                size if isinstance(size := value.get("size"), int) else 0,
                _text(value.get("sha256")) or "",
                _text(value.get("media_type")),
                _text(value.get("experiment")),
            )
        else:
            waiting += [((*path, name), item) for name, item in reversed(value.items())]


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def content_of(reference: Reference, number: int, trees: list[Found], most: int, noun: str) -> bytes:
    """Return the bytes of a file that has the digest of the reference.

    Args:
        reference: The reference.
        number: The number of the experiment whose event has the reference.
        trees: The experiments.
        most: The most bytes.
        noun: The word for the file in messages.

    Raises:
        ValueError: If the file cannot be read or differs. The message contains the reason.
    """
    home: Path | None = trees[number].path
    if reference.experiment:
        same = (one.path for one in trees if one.experiment and one.experiment.id == reference.experiment)
        home = next(same, None)
    if home is None:
        raise ValueError(f"the {noun} is in an experiment outside of the tree")
    content = _read(home, reference.path, most, noun)
    if hashlib.sha256(content).hexdigest() != reference.sha256:
        raise ValueError(f"the digest of the {noun} differs from the recorded one")
    return content


def _read(directory: Path, path: str, most: int, noun: str) -> bytes:
    """Return the bytes of a file of an experiment.

    A log may contain any path. The path must lead to a regular file in the directory, and not through a link.

    Args:
        directory: The directory of the experiment.
        path: The path from the log.
        most: The most bytes.
        noun: The word for the file in messages.

    Raises:
        ValueError: If the file cannot be read. The message contains the reason.
    """
    parts = path.split("/")
    if not all(part and part not in (".", "..") and "\\" not in part and "\0" not in part for part in parts):
        raise ValueError("the path leads outside of the experiment")
    at = directory
    try:
        for part in parts[:-1]:
            at = at / part
            if not stat.S_ISDIR(os.lstat(at).st_mode):
                raise ValueError("the path leads through something that isn't a folder")
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(at / parts[-1], flags), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ValueError(f"the {noun} isn't a regular file")
            if status.st_size > most:
                raise ValueError(f"the {noun} has {status.st_size} bytes, more than {most}")
            return file.read(most + 1)
    except OSError as error:
        raise ValueError(f"the {noun} cannot be read: {error.strerror}") from error
