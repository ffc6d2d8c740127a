"""The end of a stream: the state that a writer needs to continue it, and whether it may."""

from __future__ import annotations

import os

from .._disk.blocks import blocks
from .._errors import UnsupportedVersion
from .._format.json import integer
from .._format.lifecycle import is_paused_after, is_seal, may_be_lifecycle
from .._format.seal import SEAL_END, SUFFIX
from .._version import check_version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any

__all__ = ["StreamState", "scan_file"]


class StreamState:
    """The state of a stream that a writer needs to continue it; at first, that of an empty stream."""

    def __init__(self) -> None:
        self.size = 0  # bytes up to and including the last line feed
        self.seq = 0  # of the last event
        self.hash_start = 0  # of the last seal, 0 without one
        self.sealed = False  # is the last line a seal?
        self.paused = False
        self.last_start = b""  # the line of the last mlv/start
        self.first = True  # is the first line an mlv/start?
        self.refused: str | None = None  # why no session may be appended

    @property
    def start(self) -> dict[str, Any] | None:
        """The data of the last mlv/start."""
        return _parse(self.last_start).get("data")


def scan_file(file: IO[bytes], size: int | None = None) -> StreamState:
    """Read a stream, or its first *size* bytes, from the position of the file, in constant memory. Raises OSError."""
    state = StreamState()
    number = 0
    for block, length in blocks(file, os.fstat(file.fileno()).st_size if size is None else size):
        for line in block.split(b"\n")[:-1] if block is not None else [b""]:
            number += 1
            state.size += length if block is None else len(line) + 1
            state.seq += 1  # right for every line that is in order, and the best guess for a garbled one
            state.sealed = False
            if number == 1 or block is None or may_be_lifecycle(line):
                _note(state, line, number)
    if state.size:
        _correct_seq(state, file)
    return state


_patterns: Any = None


def _quick() -> Any:
    """Patterns of the start and of a seal as this logger writes them: of most sessions that is all that counts."""
    global _patterns
    if _patterns is None:
        import re  # which takes milliseconds, and a new log needs none of this

        begin = rb'\{"seq":([1-9][0-9]{0,14}),"time":"[^"\\]*","event":'
        _patterns = (
            re.compile(
                begin + rb'"mlv/start","data":\{"mlv":"1\.[0-9]{1,3}",("experiment":"sha256:[0-9a-f]{64}",)?'
                rb'("record":\{[^{}\\]*\},)?"writer":\{[^{}\\]*\},[^{}\\]*\}\}'
            ).fullmatch,
            re.compile(
                begin + rb'"mlv/(seal|end)","data":\{(?:"status":"[a-z]+",)?(?:"streams":\{[^{}\\]*\},)?'
                rb'"from":[0-9]+,"sha256":"[0-9a-f]{64}"\}\}'
            ).fullmatch,
        )
    return _patterns


def _note(state: StreamState, line: bytes, number: int) -> None:
    start, seal = _quick()
    if match := start(line):
        if b'"requires"' not in line:
            state.seq, state.last_start, state.paused = int(match[1]), line, False
            return
    elif (match := seal(line)) and number > 1:
        state.seq, state.sealed, state.hash_start = int(match[1]), True, state.size - SEAL_END
        state.paused = is_paused_after(state.paused, f"mlv/{match[2].decode()}")
        return
    event = _parse(line)
    name = event.get("event")
    data = event.get("data")
    if number == 1 and name != "mlv/start":
        state.first = False
    if not isinstance(data, dict) or not isinstance(name, str):
        return
    state.seq = integer(event.get("seq")) or state.seq  # after mlv/dropped, numbers are missing
    state.paused = is_paused_after(state.paused, name)
    if name == "mlv/start":
        state.last_start = line
        if state.refused is None:
            try:
                check_version(data.get("mlv"), data.get("requires"), f"the session on line {number}")
            except UnsupportedVersion as error:
                state.refused = str(error)
    elif is_seal(name):
        state.sealed = line.endswith(SUFFIX[:-1])
        state.hash_start = state.size - SEAL_END if state.sealed else state.hash_start


def _correct_seq(state: StreamState, file: Any) -> None:
    """Take the seq of the last line from the line itself, if it can be read."""
    start = max(0, state.size - 64 * 1024)
    file.seek(start)
    last = file.read(state.size - start).rstrip(b"\n").rpartition(b"\n")[2]
    state.seq = integer(_parse(last).get("seq")) or state.seq


def _parse(line: bytes) -> dict[str, Any]:
    import json

    try:
        value = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        return {}  # garbled, nested too deep, or with an integer of more digits than Python reads
    return value if isinstance(value, dict) else {}
