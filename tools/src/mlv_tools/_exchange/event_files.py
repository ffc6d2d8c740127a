"""The event files of TensorBoard: the runs of a directory, and the records of a file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlvlogger import TEMPORARY_PREFIX

__all__ = ["records", "runs", "unfinished"]

_LARGEST = 2**30  # bytes of a record; a larger length is damage, even if its checksum is right
_OTHERS = (
    (b"\x1f\x8b", "is compressed with gzip. Decompress the file"),
    (b"version http", "is a pointer of Git LFS. Run git lfs pull"),
)


def runs(logdir: Path) -> tuple[list[tuple[str, list[Path]]], list[str]]:
    """Find the runs in and below *logdir*, as TensorBoard does: symbolic links are followed.

    Returns:
        The runs by name, each with its event files in the order of their creation, and messages about what could not be
        searched.
    """
    found: dict[str, list[Path]] = {}
    messages: list[str] = []
    waiting: list[tuple[Path, tuple[tuple[int, int], ...]]] = [(logdir, ())]
    while waiting:
        folder, above = waiting.pop()
        try:
            status = folder.stat()
            inside = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            messages.append(f"{folder} is left out: it cannot be searched: {error.strerror}")
            continue
        if (own := (status.st_dev, status.st_ino)) in above:
            messages.append(f"{folder} is left out: the symbolic link leads to a directory that contains it")
            continue
        for entry in inside:
            path = Path(entry)
            if unfinished(path):
                messages.append(f"{path} is left out: {unfinished(path)}")
            elif path.is_dir():
                waiting.append((path, (*above, own)))
            elif entry.is_symlink() and not path.exists():
                messages.append(f"{path} is left out: the target of the symbolic link does not exist")
            elif "tfevents" in entry.name and path.is_file():
                found.setdefault(folder.relative_to(logdir).as_posix(), []).append(path)
            elif "tfevents" in entry.name:
                messages.append(f"{path} is left out: it isn't a regular file")
    return [(run, found[run]) for run in sorted(found)], sorted(messages)


def unfinished(path: Path) -> str:
    """Return the message about a path if an export didn't end there, or is running; "" if it isn't one."""
    if not path.name.startswith(TEMPORARY_PREFIX) or not path.is_dir():
        return ""
    return f"an earlier export didn't end. If no export is running, delete {str(path)!r}"


def records(path: Path, messages: list[str]) -> Iterator[Any]:
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
