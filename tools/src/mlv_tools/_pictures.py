"""Images that events refer to."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlvlogger import Event, Experiment, File

__all__ = ["Picture", "pictures", "png_size"]


@dataclass(frozen=True)
class Picture:
    """An image file, and the event that refers to it: by which member of its data."""

    event: Event
    member: str
    file: File
    path: Path


def pictures(experiment: Experiment, stream: str) -> Iterator[Picture]:
    """The images that the events of a stream refer to and that are there. Raises what reading raises."""
    for event in experiment.events(stream=stream):
        for member, item in event.data.items():
            if not isinstance(item, File) or not (item.media_type or "").startswith("image/"):
                continue
            path = experiment.path / item.path
            if item.experiment in (None, experiment.id) and path.is_file() and not path.is_symlink():
                yield Picture(event, str(member), item, path)


def png_size(data: bytes) -> tuple[int, int]:
    """Width and height in pixels of a PNG image; (0, 0) of another."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n") or len(data) < 24:
        return 0, 0
    width, height = struct.unpack(">II", data[16:24])
    return width, height
