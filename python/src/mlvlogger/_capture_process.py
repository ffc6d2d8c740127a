"""The capture process: it passes on what a program prints, and logs it (specification 1.0, chapter Events)."""

from __future__ import annotations

import json
import os
import select

from . import _errors
from ._disk.folder import Folder
from ._disk.spawn import detach
from ._format.names import stream_path
from ._open_streams import OpenStreams
from ._secrets import redact_lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, NoReturn

__all__ = ["LineSplitter", "forward", "read_message", "serve"]

_PIPE_SIZE = 65536  # bytes read in one call: the capacity of a pipe
_MAX_LINE = 65536  # bytes of one event; a longer line is several events
_LAST_ROUNDS = 32  # reads after the request to stop: more than a pipe holds, and a limit if children keep printing


def read_message(fd: int) -> Any:
    """Return the next message from a pipe, which is a line of JSON; None at the end of the pipe."""
    text = b""
    while b"\n" not in text:
        if not (more := os.read(fd, _PIPE_SIZE)):
            return None
        text += more
    return json.loads(text.partition(b"\n")[0])


def serve(
    descriptors: str, names: str, directory: str, experiment: str, number: str, digest: str, *more: str
) -> NoReturn:
    """Run the capture process: log and pass on output until no process is left that could print.

    Args:
        descriptors: The descriptors of `_Pipes.process_ends` and of the experiment's directory, as JSON.
        names: The names of the text streams that write elsewhere, as JSON.
        directory: The path of the experiment's directory.
        experiment: Its id.
        number, digest: The number and digest of the metadata record that the session runs under.
        more: The name of the stream, and "1" to make each event durable, or "0".
    """
    control, replies, out, err, *copies, root = fds = json.loads(descriptors)
    detach(fds)
    stream, sync = more
    try:
        logs = OpenStreams(
            Folder.from_descriptor(root, directory), experiment, "warn", sync == "1", process=False, takeover=False
        )
        log = logs.open(stream_path(stream), lambda: (int(number), digest))
    except (OSError, _errors.MLVError) as error:
        os.write(replies, json.dumps([type(error).__name__, str(error)]).encode("ascii") + b"\n")
        os._exit(1)
    os.write(replies, b"{}\n")

    events = {out: "stdout", err: "stderr", **dict(zip(copies, json.loads(names), strict=True))}
    splitters = {fd: LineSplitter() for fd in events}

    def log_lines(fd: int, lines: Iterator[tuple[bytes, bool]]) -> None:
        for line, continued in lines:
            text = redact_lines(line.decode("utf-8", "backslashreplace"))[0]
            log.event(events[fd], {"text": text, **({"continued": True} if continued else {})})

    def log_output(fd: int, data: bytes) -> None:
        log_lines(fd, splitters[fd].feed(data))

    request = forward({out: 1, err: 2, **dict.fromkeys(copies)}, log_output, control)
    for fd, splitter in splitters.items():
        log_lines(fd, splitter.finish())
    # Without a request, the program was killed: the stream isn't ended.
    log._stream.close(None if request is None else request["end"])
    if request is not None:
        os.write(replies, b"!")
        forward({out: 1, err: 2})  # the output of children that continue
    os._exit(0)


def forward(targets: Mapping[int, int | None], on_output: Any = None, control: int | None = None) -> Any:
    """Copy each source to its target until all sources end, or until a request to stop comes and nothing is left.

    Args:
        targets: For each source (a pipe that doesn't block), the target; None if the text is shown already.
        on_output: Called with each source and its output, after the output is shown.
        control: The pipe for the request to stop. With it, the loop waits for the request even if all sources end.

    Returns:
        The request, or None without one.
    """
    poll = select.poll()
    waiting = {*targets, *([] if control is None else [control])}
    for fd in waiting:
        poll.register(fd, select.POLLIN)
    request, rounds = None, 0
    while waiting:
        ready = {fd for fd, _ in poll.poll(None if request is None else 0)}
        if request is not None:
            rounds += 1
            if not ready or rounds > _LAST_ROUNDS:
                return request
        for fd in [fd for fd in targets if fd in ready]:
            try:
                data = os.read(fd, _PIPE_SIZE)
            except BlockingIOError:
                continue
            if data:
                if (target := targets[fd]) is not None:
                    _write_all(target, data)
                if on_output is not None:
                    on_output(fd, data)
            else:
                poll.unregister(fd)
                waiting.remove(fd)
        if control is not None and control in ready:
            request = read_message(control)
            poll.unregister(control)
            waiting.remove(control)
    return request


def _write_all(fd: int, data: bytes) -> None:
    """Write all of *data*, or as much as a reader takes before it closes its end."""
    while data:
        try:
            data = data[os.write(fd, data) :]
        except BlockingIOError:
            select.select([], [fd], [])
        except OSError:
            return


class LineSplitter:
    """Splits output into lines. A line that was rewritten, such as a progress bar, has its final state."""

    def __init__(self) -> None:
        self._rest = b""  # the incomplete last line, at most `_MAX_LINE` bytes

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bool]]:
        """Iterate over the lines that *data* completes.

        Yields:
            The line, and whether it continues in the next one, because it is too long for one event.
        """
        # Cursor-up plus line feed rewrites the same line: so an inner progress bar draws itself below an outer one.
        *whole, rest = (self._rest + data).replace(b"\x1b[A\n", b"\r").split(b"\n")
        for line in whole:
            yield from self._line(line)
        if b"\r" in rest:
            # The last \r stays: a \n may follow, and the two would end the line.
            rest = _last_state(rest) + (b"\r" if rest.endswith(b"\r") else b"")
        while len(rest) > _MAX_LINE:
            yield _cut(rest), True
            rest = rest[len(_cut(rest)) :]
        self._rest = rest

    def finish(self) -> Iterator[tuple[bytes, bool]]:
        """Iterate over the lines that remain at the end of the output, as `feed` does."""
        if self._rest:
            yield from self._line(self._rest)
        self._rest = b""

    def _line(self, line: bytes) -> Iterator[tuple[bytes, bool]]:
        if b"\r" in line:
            line = _last_state(line)
            if line and not line.strip():
                return  # a progress bar that has erased itself
        while len(line) > _MAX_LINE:
            yield _cut(line), True
            line = line[len(_cut(line)) :]
        yield line, False


def _last_state(line: bytes) -> bytes:
    return line.rstrip(b"\r").rsplit(b"\r", 1)[-1]


def _cut(line: bytes) -> bytes:
    """Return the beginning of a long line, which ends with a whole character."""
    end = _MAX_LINE
    while end > _MAX_LINE - 4 and line[end] & 0xC0 == 0x80:
        end -= 1
    return line[:end]
