"""The state of a stream that a writer needs to continue it, and whether it may be continued."""

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

__all__ = ["StreamState", "preload", "scan_file"]

_patterns: Any = None
_json: Any = None


def preload() -> None:
    """Import what this module needs, but a new log doesn't. When the interpreter exits, it is too late to import."""
    global _json, _patterns
    if _patterns is None:
        import json  # both imports take milliseconds
        import re

        begin = rb'\{"seq":([1-9][0-9]{0,14}),"time":"[^"\\]*","event":'
        _patterns = (
            re.compile(
                begin + rb'"mlv/start","data":\{"mlv":"1\.[0-9]{1,3}",("experiment":"sha256:[0-9a-f]{64}",)?'
                rb'("record":\{[^{}\\]*\},)?"writer":\{[^{}\\]*\},[^{}\\]*\}\}'
            ).fullmatch,
            re.compile(
                begin + rb'"mlv/(seal|end)","data":\{(?:"status":"[a-z]+",)?(?:"streams":\{[^{}\\]*\},)?'
                rb'(?:"seals":\{[^{}\\]*\},)?"from":[0-9]+,"sha256":"[0-9a-f]{64}"\}\}'
            ).fullmatch,
        )
        _json = json


class StreamState:
    """The state of a stream. At first, that of an empty stream.

    Attributes:
        size: Bytes up to and including the last line feed.
        seq: The seq of the last event.
        hash_start: The offset of the digits of the last seal, at which the hash of the next seal begins; 0 without one.
        sealed: Whether the last line is a seal.
        seal: The digest of the last line if it is a seal, else an empty string.
        paused: Whether the stream is paused.
        last_start: The line of the last `mlv/start`.
        has_start: Whether the first line is an `mlv/start`.
        refusal: Why no session may be appended, or None.
    """

    def __init__(self) -> None:
        self.size = 0
        self.seq = 0
        self.hash_start = 0
        self.sealed = False
        self.seal = ""
        self.paused = False
        self.last_start = b""
        self.has_start = True
        self.refusal: str | None = None

    @property
    def start(self) -> dict[str, Any] | None:
        """The data of the last `mlv/start`."""
        return _parse(self.last_start).get("data")


def scan_file(file: IO[bytes], size: int | None = None) -> StreamState:
    """Read a stream in constant memory, and return its state.

    Args:
        file: The file, at the beginning of the stream.
        size: The number of bytes to read; by default all.

    Raises:
        OSError: If the file can't be read.
    """
    state = StreamState()
    number = 0
    for block, length in blocks(file, os.fstat(file.fileno()).st_size if size is None else size):
        for line in block.split(b"\n")[:-1] if block is not None else [b""]:
            number += 1
            state.size += length if block is None else len(line) + 1
            state.seq += 1  # the seq of a correct line, and the best guess for a damaged one
            state.sealed = False
            if number == 1 or block is None or may_be_lifecycle(line):
                _apply(state, line, number)
    if state.size:
        _correct_seq(state, file)
        if state.sealed:
            file.seek(state.size - SEAL_END)
            digits = file.read(SEAL_END - len(SUFFIX))
            state.seal = "" if digits.strip(b"0123456789abcdef") else digits.decode("ascii")
    return state


def _fast_patterns() -> Any:
    """Return patterns of an `mlv/start` and of a seal as mlvlogger writes them, for which `_apply` needs no parser."""
    preload()
    return _patterns


def _apply(state: StreamState, line: bytes, number: int) -> None:
    """Update the state with a line that may be a lifecycle event, or with the first line."""
    start, seal = _fast_patterns()
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
        state.has_start = False
    if not isinstance(data, dict) or not isinstance(name, str):
        return
    state.seq = integer(event.get("seq")) or state.seq  # an mlv/dropped leaves out seqs
    state.paused = is_paused_after(state.paused, name)
    if name == "mlv/start":
        state.last_start = line
        if state.refusal is None:
            try:
                check_version(data.get("mlv"), data.get("requires"), f"the session on line {number}")
            except UnsupportedVersion as error:
                state.refusal = str(error)
    elif is_seal(name):
        state.sealed = line.endswith(SUFFIX[:-1])
        state.hash_start = state.size - SEAL_END if state.sealed else state.hash_start


def _correct_seq(state: StreamState, file: Any) -> None:
    """Set the seq of the state to that of the last line, if the line can be parsed."""
    start = max(0, state.size - 64 * 1024)
    file.seek(start)
    last = file.read(state.size - start).rstrip(b"\n").rpartition(b"\n")[2]
    state.seq = integer(_parse(last).get("seq")) or state.seq


def _parse(line: bytes) -> dict[str, Any]:
    preload()
    try:
        value = _json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        return {}  # it is damaged, nested too deep, or has an integer of more digits than Python reads
    return value if isinstance(value, dict) else {}
