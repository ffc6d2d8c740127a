"""The side channel: a named pipe in which a program under test says what was acknowledged to it.

A line of at most PIPE_BUF bytes goes into a pipe whole or not at all, whoever is killed meanwhile and however many
write; what is in the pipe outlives its writer; and a name can be opened by spawned children too.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Acks", "Channel"]

_END = b"end of the channel\n"


@dataclass
class Acks:
    """What programs said.

    Attributes:
        sources: The callers that began.
        kept: (source, number) of each event that was acknowledged → its stream and seq.
        times: When each of them was, in nanoseconds of the monotonic clock.
        refused: (source, number) of each event of which the call returned without a seq.
        notes: The other lines, in order: what a program wanted to be known.
    """

    sources: set[str] = field(default_factory=set)
    kept: dict[tuple[str, int], tuple[str, int]] = field(default_factory=dict)
    times: dict[tuple[str, int], int] = field(default_factory=dict)
    refused: set[tuple[str, int]] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    def was_attempted(self, source: str, number: int) -> bool:
        """Return whether the event may exist. A source makes its events one after another, so one may be under way."""
        before = (source, number - 1)
        return source in self.sources if number == 0 else before in self.kept or before in self.refused

    def add(self, other: Acks) -> None:
        """Take in what was said in another channel."""
        self.sources |= other.sources
        self.kept.update(other.kept)
        self.times.update(other.times)
        self.refused.update(other.refused)
        self.notes += other.notes


class Channel:
    """A named pipe that is emptied from the moment it is made, so that no program waits for its reader.

    Attributes:
        path: The pipe.
        lines: How many lines have come so far.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)
        # For writing too: so there is never an end of file, whichever programs come and go.
        self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._parts: list[bytes] = []
        self.lines = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while not self._parts or not self._parts[-1].endswith(_END):
            part = os.read(self._fd, 1 << 20)
            self.lines += part.count(b"\n")
            self._parts.append(part)

    def wait(self, lines: int, seconds: float) -> bool:
        """Have so many lines come, within so many seconds?"""
        deadline = time.monotonic() + seconds
        while self.lines < lines:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.0005)
        return True

    def close(self) -> Acks:
        """Everything that was said before this call."""
        os.write(self._fd, _END)
        self._reader.join()
        os.close(self._fd)
        self.path.unlink()
        acks = Acks()
        for line in b"".join(self._parts).removesuffix(_END).decode().splitlines():
            words = line.split(" ")
            if words[0] == "kept":
                acks.kept[words[1], int(words[2])] = (words[3], int(words[4]))
                acks.times[words[1], int(words[2])] = int(words[5])
            elif words[0] == "refused":
                acks.refused.add((words[1], int(words[2])))
            elif words[0] == "begin":
                acks.sources.add(words[1])
            else:
                acks.notes.append(line)
        return acks
