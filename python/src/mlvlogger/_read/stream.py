"""Reading one stream: its events in order, without the lines that aren't events."""

from __future__ import annotations

import os

from .._disk.blocks import blocks
from .._format.decode import decode
from .._format.json import integer
from .._format.parse import parse_line
from .._version import check_version
from .events import NOT_AN_EVENT, Event, read_event, why_not_an_event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path
    from typing import IO, TypeAlias

    # A function of a stream's path, the number of a line, and the block of lines that begins with that line. It yields
    # events, and numbered lines that `read_event` must read.
    BlockReader: TypeAlias = Callable[[str, int, bytes], Iterator[Event | tuple[int, bytes]]]

    # A function that reports a line that is left out: the stream's path, the number of the line, and why.
    Report: TypeAlias = Callable[[str, int, str], None]

__all__ = ["stream_events"]


def stream_events(
    file: IO[bytes], place: Path, path: str, read_block: BlockReader, report: Report
) -> Generator[Event, None, int]:
    """Yield the events that *read_block* finds in the blocks of a stream, up to its current size.

    Args:
        file: The stream, open for reading.
        place: Its present path, for errors.
        path: Its path in the experiment.
        read_block: The function that reads blocks.
        report: The function that reports lines that are left out.

    Returns:
        The number of bytes after the last line feed.

    Raises:
        UnsupportedVersion: If a session has an unknown major version or requires an unknown feature.
        OSError: If the system can't read the file.
    """
    first = 1  # the number of the first line of a block
    torn = os.fstat(file.fileno()).st_size
    for block, length in blocks(file, torn):
        torn -= length
        if block is None:
            report(path, first, "the line is longer than 16 MiB and was left out")
            first += 1
            continue
        for found in read_block(path, first, block):
            if isinstance(found, tuple):
                number, line = found
                session = f"the session on line {number} of {place}"
                try:
                    found = read_event(path, number, line)
                except NOT_AN_EVENT as error:
                    _check_session(line, session)
                    report(path, number, f"{why_not_an_event(error)} and was left out")
                    continue
                if found.name == "mlv/start":
                    check_version(found.data.get("mlv"), found.data.get("requires"), session)
            yield found
        first += block.count(b"\n")
    return torn


def _check_session(line: bytes, session: str) -> None:
    """Raise UnsupportedVersion if a line that isn't an event of this version begins a session of an unknown version."""
    try:
        tree = parse_line(line)
        data = decode(tree["data"])
        is_start = tree["event"] == "mlv/start" and type(tree["time"]) is str and (integer(tree["seq"]) or 0) > 0
    except NOT_AN_EVENT:
        return
    if is_start and type(data) is dict and type(data.get("mlv")) is str:
        check_version(data["mlv"], data.get("requires"), session)
