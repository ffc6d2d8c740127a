"""The chapter Files: what the records of an experiment refer to, files and events of the same experiment."""

from typing import Any

from mlv_validate._findings import Findings
from mlv_validate._read.directory import Absent, Directory, Unreadable
from mlv_validate._rules.layout import twins
from mlv_validate._rules.streams import Streams
from mlv_validate._text import count, show


class References:
    """The references in an experiment, which are checked while its records are read.

    Files are checked immediately: a writer publishes a file before it refers to the file. Events are checked after all
    streams were read.
    """

    def __init__(self, root: Directory, id_: str | None, findings: Findings, *, anchored: bool = False) -> None:
        self._anchored = anchored
        self._root = root
        self._id = id_
        self._findings = findings
        self._digests: dict[str, str] = {}
        self._sizes: dict[str, int] = {}
        self._problems: dict[str, str] = {}
        self._attached: set[str] = set()
        self.attached_by: dict[str, dict[str, int]] = {}
        """If `anchored`: the attached files, with the first line of each record that refers to them, or 0."""
        # References to events: the path and line of the record, the stream and the `seq` that the record names.
        self._events: list[tuple[str, int | None, str, int]] = []

    def check(self, path: str, line: int | None, typed: list[dict[str, Any]]) -> None:
        """Check the typed values of a record that is not masked."""
        for value in typed:
            if value["_mlv"] == "file" and value.get("experiment", self._id) == self._id:
                self._file(path, line, value)
            elif value["_mlv"] == "event" and value["experiment"] is not None and value["experiment"] == self._id:
                self._events.append((path, line, value["stream"], int(value["seq"])))

    def finish(self, streams: Streams) -> None:
        """Check what needs all records: that events exist, and that no paths differ only by case."""
        for path, line, stream, seq in self._events:
            why = streams.why_missing(stream, seq, reach=False)
            if why:
                self._findings.add("event.exists", path, line, why)
        for path, first in twins(self._attached):
            self._findings.add("file.twins", path, None, f"differs only by case from {show(first)}")

    def _file(self, path: str, line: int | None, value: dict[str, Any]) -> None:
        name = value["path"]
        rule = "file.changed"
        if name.startswith("files/"):
            rule = "file.kept"
            self._attached.add(name)
            if self._anchored:
                self.attached_by.setdefault(name, {}).setdefault(path, line or 0)
        problem = self._problem(name, value["size"], value["sha256"])
        if problem:
            self._findings.add(rule, path, line, f"{show(name)}: {problem}")

    def _problem(self, name: str, size: int, digest: str) -> str | None:
        if name not in self._problems and name not in self._sizes:
            self._examine(name, size)
        if name in self._problems:
            return self._problems[name]
        if self._sizes[name] != size:
            return f"it has {count(self._sizes[name], 'byte')}, not {size}"
        if name not in self._digests:
            self._examine(name, size)  # the reference before named another size
            return self._problem(name, size, digest) if name in self._digests or name in self._problems else None
        if self._digests[name] != digest:
            return f"its digest is {self._digests[name]}, not {digest}"
        return None

    def _examine(self, name: str, size: int) -> None:
        """Find the size of a file, and its digest if the size is right."""
        try:
            folder, file = self._root.open_below(name)
            with folder, file:
                self._sizes[name] = file.size
                if file.size == size:
                    found = file.digest(0, file.size)
                    if found:
                        self._digests[name] = found
                    else:
                        self._problems[name] = "it became shorter while it was read"
        except Absent as error:
            self._problems[name] = str(error)
        except Unreadable as error:
            self._problems[name] = ""  # reported once, and not a finding
            self._findings.add_unchecked(name, str(error))
