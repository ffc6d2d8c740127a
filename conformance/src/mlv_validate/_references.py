"""What the records of one experiment refer to: files and events of the same experiment."""

from typing import Any

from mlv_validate._directory import Absent, Directory, Unreadable
from mlv_validate._findings import Findings
from mlv_validate._layout import twins
from mlv_validate._text import count, show


class References:
    """
    Judges the typed values of an experiment as its records are read.

    Files are checked at once: a writer publishes a file before it refers to it. Events wait until all streams are
    read.
    """

    def __init__(self, root: Directory, id_: str | None, findings: Findings) -> None:
        self._root = root
        self._id = id_
        self._findings = findings
        self._digests: dict[str, str] = {}
        self._sizes: dict[str, int] = {}
        self._problems: dict[str, str] = {}
        self._attached: set[str] = set()
        self.events: list[tuple[str, int | None, str, int]] = []
        """What is left to judge: the path and line of the record, the stream and the `seq` that it names."""

    def see(self, path: str, line: int | None, typed: list[dict[str, Any]]) -> None:
        """Take the typed values of a record that is not masked."""
        for value in typed:
            if value["_mlv"] == "file" and value.get("experiment", self._id) == self._id:
                self._file(path, line, value)
            elif value["_mlv"] == "event" and value["experiment"] is not None and value["experiment"] == self._id:
                self.events.append((path, line, value["stream"], int(value["seq"])))

    def finish(self) -> None:
        """Judge what needs all references: paths that differ only by case."""
        for path, first in twins(self._attached):
            self._findings.add("file.twins", path, None, f"differs only by case from {show(first)}")

    def _file(self, path: str, line: int | None, value: dict[str, Any]) -> None:
        name = value["path"]
        rule = "file.changed"
        if name.startswith("files/"):
            rule = "file.kept"
            self._attached.add(name)
        problem = self._problem(name, value["size"], value["sha256"])
        if problem:
            self._findings.add(rule, path, line, f"{show(name)}: {problem}")

    def _problem(self, name: str, size: int, digest: str) -> str | None:
        if name not in self._problems and name not in self._sizes:
            self._look(name, size)
        if name in self._problems:
            return self._problems[name]
        if self._sizes[name] != size:
            return f"it has {count(self._sizes[name], 'byte')}, not {size}"
        if name not in self._digests:
            self._look(name, size)  # its size was not that of the reference before
            return self._problem(name, size, digest) if name in self._digests or name in self._problems else None
        if self._digests[name] != digest:
            return f"its digest is {self._digests[name]}, not {digest}"
        return None

    def _look(self, name: str, size: int) -> None:
        """Learn the size of a file, and its digest if the size is right: a wrong one needs no reading."""
        try:
            folder, file = self._root.below(name)
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
            self._problems[name] = ""  # reported once, and no finding
            self._findings.unchecked(name, str(error))
