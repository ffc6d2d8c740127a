"""A savedir, read as it is now."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mlv_conformance._models import events, integer, read_line

Entry = tuple[int, str, bytes]
"""What is at a path: the inode, the kind, and the bytes of a file or the target of a link."""


class Savedir:
    """The directory that a driver writes.

    Temporary names of writers, which begin with `.mlv-`, are left out with everything below them.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._events: dict[str, list[dict[str, Any]]] = {}

    def forget_events(self) -> None:
        """Read the streams again when their events are needed next."""
        self._events.clear()

    def events(self, stream: str) -> list[dict[str, Any]]:
        """Return the events of a valid stream, none if it doesn't exist."""
        if stream not in self._events:
            path = self.path / stream
            self._events[stream] = events(path) if path.exists() else []
        return self._events[stream]

    def content(self, stream: str) -> bytes:
        """Return the bytes of a stream, none if it doesn't exist."""
        path = self.path / stream
        return path.read_bytes() if path.is_file() else b""

    def has_experiment(self, path: str) -> bool:
        """Return whether an experiment exists at a path."""
        return (self.path / path / "meta.json").exists()

    def experiments(self) -> list[Path]:
        """Return the paths of all experiments."""
        return [path.parent for path in _walk(self.path) if path.name == "meta.json"]

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Return all published files with their bytes, by path."""
        for path in sorted(self._paths()):
            if path.is_file():
                yield path.relative_to(self.path).as_posix(), path.read_bytes()

    def streams(self, experiment: str) -> list[str]:
        """Return the paths of the streams of an experiment."""
        return [path for path, _ in self.files() if path.startswith(f"{experiment}/") and path.endswith(".jsonl")]

    def last_seqs(self, experiment: str) -> dict[str, int]:
        """Return the last `seq` of each stream of an experiment but the default one, by its path in the experiment."""
        paths = (path for path in self.streams(experiment) if experiment_of(path) == experiment)
        found = {path.removeprefix(f"{experiment}/"): last_seq(self.content(path)) for path in paths}
        return {path: seq for path, seq in found.items() if path != "log.jsonl" and seq}

    def unlisted_streams(self, experiment: str, member: str) -> Iterator[str]:
        """Return what the last line of `log.jsonl` lacks of the other streams in `streams` or `seals`."""
        try:
            listed = _last_data(self.content(f"{experiment}/log.jsonl"), "data").get(member, {})
        except (ValueError, LookupError, TypeError, AttributeError):
            listed = {}
        for path in self.streams(experiment):
            name = path.removeprefix(f"{experiment}/")
            last = self.content(path)
            expected = last_seq(last) if member == "streams" else _last_data(last, "data").get("sha256")
            found = listed.get(name)
            if name != "log.jsonl" and (integer(found) if member == "streams" and found else found) != expected:
                yield f"the mlv/end of log.jsonl has {found!r} for {name} in {member}, not {expected!r}"

    def entries(self) -> dict[str, Entry]:
        """Return everything that is in the directory, by path."""
        return {path.relative_to(self.path).as_posix(): _entry(path) for path in self._paths()}

    def _paths(self) -> Iterator[Path]:
        return _walk(self.path, is_wanted=lambda name: not name.startswith(".mlv-"))

    def lock_folders(self) -> list[str]:
        """Return the paths of the lock folders."""
        found = (path for path in _walk(self.path) if path.name.startswith(".mlv-") and path.name.endswith(".lock"))
        return sorted(path.relative_to(self.path).as_posix() for path in found)

    def records(self, experiment: str) -> int:
        """Return the number of metadata records of an experiment."""
        return self.has_experiment(experiment) + len(list((self.path / experiment / "meta").glob("*.json")))

    def files_outside(self) -> list[str]:
        """Return the names of what is next to the savedir."""
        return [str(path.name) for path in self.path.parent.iterdir() if path != self.path]

    def files_with(self, text: str) -> Iterator[str]:
        """Return the paths of the files that contain a string."""
        for path in _walk(self.path):
            if path.is_file() and text.encode() in path.read_bytes():
                yield path.relative_to(self.path).as_posix()


def _walk(folder: Path, is_wanted: Callable[[str], bool] = lambda _: True) -> Iterator[Path]:
    """Yield the entries below a folder. What a writer removes meanwhile is left out."""
    for path, folders, files in os.walk(folder):
        folders[:] = filter(is_wanted, folders)
        yield from (Path(path, name) for name in (*folders, *filter(is_wanted, files)))


def experiment_of(stream: str) -> str:
    """Return the path of the experiment that a stream belongs to; an experiment's own path stays."""
    folder = stream.rpartition("/")[0] if stream.endswith(".jsonl") else stream
    return folder.removesuffix("/log")


def user_events(content: bytes) -> int:
    """Return how many events of the user are in the bytes of a stream, lines that can't be read included."""
    return sum(b'"event":"mlv/' not in line for line in content[: content.rfind(b"\n") + 1].splitlines())


def last_seq(committed: bytes) -> int:
    """Return the `seq` of the last line that can be read; 0 if no line can be read."""
    for line in reversed(committed.splitlines()):
        try:
            return integer(read_line(line)["seq"])
        except (ValueError, KeyError, TypeError):
            continue
    return 0


def events_in(content: bytes, name: str) -> list[Any]:
    """Return the events of a name in bytes of a stream; lines that can't be read are left out."""
    found = []
    for line in content.splitlines():
        try:
            event = read_line(line)
            if event["event"] == name and isinstance(event["data"], dict):
                found.append(event)
        except (ValueError, KeyError, TypeError):
            continue
    return found


def _last_data(content: bytes, member: str) -> Any:
    """Return a member of the last line of a stream."""
    return read_line(content.splitlines()[-1])[member]


def start_member(content: bytes, member: str) -> Any:
    """Return a member of the `mlv/start` with which bytes begin; None if they begin with something else."""
    try:
        return read_line(content.partition(b"\n")[0])["data"].get(member)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _entry(path: Path) -> Entry:
    inode = path.lstat().st_ino
    if path.is_symlink():
        return inode, "link", os.fsencode(os.readlink(path))
    if path.is_file():
        return inode, "file", path.read_bytes()
    return inode, "directory" if path.is_dir() else "other", b""
