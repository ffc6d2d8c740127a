"""What another process sees in a savedir while the driver works."""

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlv_conformance._driver import Process
from mlv_conformance._models import integer, read_line

_PAGE = 4096
"""A line that one call writes may be seen in parts that end where a page of memory does."""


class Observer:
    """A reader that inspects an experiment again and again while the driver does an operation.

    Args:
        experiment: The directory of the experiment.
        stream: The path of the open stream.
        content: The bytes of the file that is attached, if any.
    """

    def __init__(self, experiment: Path, stream: Path, content: bytes | None) -> None:
        self._experiment = experiment
        self._stream = stream
        self._content = content
        self._before = {path: os.lstat(path).st_size for path in _published(experiment)}
        self._read = self._before.get(str(stream), 0)
        self.saw_middle = False
        """Whether the observer saw a file that wasn't published yet."""

    def watch_publication(self, process: Process) -> Iterator[str]:
        """Return what is published and isn't complete, until the driver answers. It stops the driver to read it."""
        while not process.has_answer():
            suspects = [path for path in _published(self._experiment) if path not in self._before]
            self.saw_middle |= _has_temporary(self._experiment) and not suspects
            grown = _size(self._stream) > self._read
            if not suspects and not grown:
                continue
            incomplete = [path for path in suspects if not self._is_complete(Path(path))]
            if incomplete or grown:
                process.stop()
                try:
                    yield from (f"{os.path.basename(path)} had its name before it was complete" for path in incomplete)
                    yield from self._references_to_nothing()
                finally:
                    process.resume()
            if incomplete:
                return
            self._before |= dict.fromkeys(suspects, 0)

    def watch_line(self, process: Process) -> Iterator[str]:
        """Return whether the stream ended without an LF at a moment until the driver answers."""
        with self._stream.open("rb", buffering=0) as file:
            while not process.has_answer():
                size = os.fstat(file.fileno()).st_size
                if size > self._read and os.pread(file.fileno(), 1, size - 1) != b"\n" and size % _PAGE:
                    yield f"{self._stream.name} ended without an LF while the driver wrote a line"
                    return

    def _is_complete(self, path: Path) -> bool:
        try:
            content = path.read_bytes()
        except OSError:
            return True  # it was renamed or removed
        if path.suffix == ".json" and path.parent in (self._experiment, self._experiment / "meta"):
            try:
                return isinstance(read_line(content), dict)
            except ValueError:
                return False
        return self._content is None or (self._experiment / "files") not in path.parents or content == self._content

    def _references_to_nothing(self) -> Iterator[str]:
        """Return the files that new lines of the stream refer to, and that aren't there."""
        try:
            with self._stream.open("rb") as file:
                file.seek(self._read)
                new = file.read()
        except FileNotFoundError:
            return
        new = new[: new.rfind(b"\n") + 1]
        self._read += len(new)
        for line in new.splitlines():
            event = read_line(line)
            value: Any = event["data"].get("file")
            if isinstance(value, dict) and value.get("_mlv") == "file":
                path = self._experiment / value["path"]
                content = path.read_bytes() if path.is_file() else b""
                found = len(content), hashlib.sha256(content).hexdigest()
                if found != (integer(value["size"]), value["sha256"]):
                    yield f"an event referred to {value['path']} before the file was published"


def _published(experiment: Path) -> Iterator[str]:
    """Yield the paths of the regular files without a temporary name."""
    folders = [os.fspath(experiment)]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.name.startswith(".mlv-"):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    elif entry.is_file(follow_symlinks=False):
                        yield entry.path
        except OSError:
            continue


def _has_temporary(experiment: Path) -> bool:
    """Return whether the experiment has a file or folder with a temporary name, other than a lock folder."""
    for folder in (experiment, experiment / "files", experiment / "meta"):
        try:
            if any(name.startswith(".mlv-") and not name.endswith(".lock") for name in os.listdir(folder)):
                return True
        except OSError:
            continue
    return False


def _size(path: Path) -> int:
    try:
        status = os.lstat(path)
    except OSError:
        return 0
    return status.st_size if stat.S_ISREG(status.st_mode) else 0
