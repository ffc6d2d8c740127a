"""The files that events refer to, and the images among them, for the page."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from mlv_tools._display.values import shorten
from mlv_tools._reading.trees import Found

__all__ = ["Reference", "gallery", "references"]

# A browser shows these in an <img>, in which an SVG neither runs scripts nor loads other files.
_IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp", "image/svg+xml")
_MAX_IMAGE = 4_000_000  # bytes


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

    @property
    def is_image(self) -> bool:
        return self.media_type in _IMAGES


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


def gallery(
    files: list[tuple[int, Reference]], trees: list[Found], budget: int
) -> tuple[list[dict[str, Any]], list[str], list[str]]:
    """Return the images among *files*, their sources as `data:` URLs, and notes about images that were left out.

    If the images exceed the budget, each series (a member of an event's data in one experiment) keeps its last image,
    then its first, then those in the middle.

    Args:
        files: The files, each with the number of the experiment whose event refers to it.
        trees: The experiments.
        budget: The most bytes of all images.
    """
    homes = {found.experiment.id: found.path for found in reversed(trees) if found.experiment}
    series: dict[tuple[int, str, str], list[Reference]] = {}
    for number, reference in files:
        if reference.is_image:
            series.setdefault((number, reference.event, reference.key), []).append(reference)
    order = sorted(
        ((rank, key, position) for key, group in series.items() for rank, position in enumerate(_spread(len(group)))),
        key=lambda item: item[0],
    )
    sources: dict[tuple[str, str | None], str] = {}
    images, left = [], Counter[str]()
    for _, key, position in order:
        reference = series[key][position]
        source = reference.sha256, reference.media_type
        try:
            if source not in sources:
                home = homes.get(reference.experiment) if reference.experiment else trees[key[0]].path
                if home is None:
                    raise ValueError("the image is in an experiment outside of the tree")
                content = _read(home, reference.path, _MAX_IMAGE)
                if hashlib.sha256(content).hexdigest() != reference.sha256:
                    raise ValueError("the digest of the image differs from the recorded one")
                if len(content) > budget:
                    raise ValueError("the images on the page reached the maximum size (see --images)")
                budget -= len(content)
                sources[source] = f"data:{reference.media_type};base64,{base64.b64encode(content).decode()}"
        except ValueError as error:
            left[str(error)] += 1
            continue
        step = position if reference.step is None else reference.step
        images.append(
            {
                "e": key[0],
                "event": shorten(reference.event, 200),
                "key": shorten(reference.key, 200),
                "step": step,
                "counted": reference.step is None,
                "path": shorten(reference.path, 200),
                "source": list(sources).index(source),
            }
        )
    return images, list(sources.values()), [f"Images left out because {why}: {n}." for why, n in left.items()]


def _spread(count: int) -> list[int]:
    """Return the numbers below *count* so that every prefix is spread out: the last, the first, the middle, …"""
    halves = (range(width, count, width) for width in (count >> bit for bit in range(1, count.bit_length())) if width)
    return list(dict.fromkeys([count - 1, 0, *chain.from_iterable(halves)]))


def _read(directory: Path, path: str, most: int) -> bytes:
    """Return the bytes of a file of an experiment.

    A log may contain any path. The path must lead to a regular file in the directory, and not through a link.

    Args:
        directory: The directory of the experiment.
        path: The path from the log.
        most: The most bytes.

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
                raise ValueError("the image isn't a regular file")
            if status.st_size > most:
                raise ValueError(f"the image has {status.st_size} bytes, more than {most}")
            return file.read(most + 1)
    except OSError as error:
        raise ValueError(f"the image cannot be read: {error.strerror}") from error
