"""The calls with which a driver writes its stream, as `strace` shows them."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

_CALLS = "write,pwrite64,writev,pwritev,pwritev2"
_WHOLE = re.compile(r"(\d+) +\w+\(\d+<([^>]*)>.* = (\d+)\Z")
_UNFINISHED = re.compile(r"(\d+) +\w+\(\d+<([^>]*)>.*<unfinished \.\.\.>\Z")
_RESUMED = re.compile(r"(\d+) +<\.\.\. \w+ resumed>.* = (\d+)\Z")


class Calls:
    """The calls that write a stream, from the start until `problems`.

    Args:
        group: The process group of the driver.
        stream: The path of the stream.

    Raises:
        OSError: If this machine has no `strace`, or doesn't let it see the driver.
    """

    def __init__(self, group: int, stream: Path) -> None:
        program = shutil.which("strace")
        if program is None:
            raise OSError("strace was not found")
        self._stream = stream
        self._offset = stream.stat().st_size
        self._folder = tempfile.TemporaryDirectory(prefix="mlv-conformance-")
        self._output = Path(self._folder.name, "calls")
        pids = [option for pid in _processes(group) for option in ("-p", str(pid))]
        command = [
            program,
            "-f",
            "-y",
            "-s",
            "0",
            "-e",
            f"trace={_CALLS}",
            "-e",
            "signal=none",
            "-o",
            str(self._output),
        ]
        self._process = subprocess.Popen([*command, *pids], stderr=subprocess.PIPE, text=True)
        assert self._process.stderr
        for line in self._process.stderr:
            if "attached" in line:
                return
        self.stop()
        raise OSError("strace cannot see the driver")

    def stop(self) -> None:
        """Let the driver run without being watched."""
        self._detach()
        self._folder.cleanup()

    def _detach(self) -> None:
        assert self._process.stderr
        self._process.send_signal(signal.SIGTERM)  # which does nothing to a process that has ended
        self._process.wait()
        self._process.stderr.close()

    def problems(self) -> Iterator[str]:
        """Stop, and return the calls that ended within a line."""
        self._detach()
        content = self._stream.read_bytes()
        counts = [size for path, size in self._written() if os.path.realpath(path) == os.path.realpath(self._stream)]
        if self._offset + sum(counts) > len(content) or not counts:
            return  # what was written was taken back, or another call writes
        for size in counts:
            self._offset += size
            if content[self._offset - 1 : self._offset] != b"\n":
                yield f"a call that wrote {self._stream.name} ended at byte {self._offset}, without an LF"
                return

    def _written(self) -> Iterator[tuple[str, int]]:
        """Yield the path and the number of bytes of each call."""
        unfinished = dict[str, str]()
        for line in self._output.read_text("utf-8", "replace").splitlines():
            if match := _WHOLE.match(line):
                yield match[2], int(match[3])
            elif match := _UNFINISHED.match(line):
                unfinished[match[1]] = match[2]
            elif (match := _RESUMED.match(line)) and match[1] in unfinished:
                yield unfinished.pop(match[1]), int(match[2])


def _processes(group: int) -> Iterator[int]:
    """Yield the processes of a process group."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(") ")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group:
            yield int(path.parent.name)
