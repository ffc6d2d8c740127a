"""The meta records of one experiment, one after the other: what they say, and how they are linked."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

from mlv_validate._directory import Absent, Directory, File, Unreadable
from mlv_validate._findings import Findings
from mlv_validate._json import MAX_SIZE, Broken, parse
from mlv_validate._records import judge_meta, refusal, version
from mlv_validate._text import show


@dataclass(frozen=True, slots=True)
class Record:
    """
    A meta record that exists.

    `digest` is None if its bytes could not be read; a `masked` one has no `members`. `refusal` says why the experiment
    cannot be judged because of it.
    """

    number: int
    path: str
    digest: str | None
    masked: bool
    members: dict[str, Any] = field(default_factory=dict)
    typed: list[dict[str, Any]] = field(default_factory=list)
    refusal: str | None = None

    @property
    def version(self) -> tuple[int, int] | None:
        """The version it was written for, where that is known."""
        return version(self.members.get("mlv"))


def read_record(folder: Directory, name: str, number: int, findings: Findings) -> Record:
    """Read and judge one record by what its own bytes decide."""
    path = name if number == 1 else f"meta/{name}"
    try:
        with folder.file(name) as file:
            raw = file.read(0, MAX_SIZE + 1)
            digest = hashlib.sha256(raw).hexdigest() if len(raw) == file.size else _digest(file, path, findings)
            changed = file.changed(folder)
    except Absent:
        findings.unchecked(path, "it was moved, removed or replaced while the directory was read")
        return Record(number, path, None, True)
    except Unreadable as error:
        findings.unchecked(path, str(error))
        return Record(number, path, None, True)
    if changed:
        findings.unchecked(path, changed)
    parsed = parse(raw, line=False)
    broken, typed = parsed.broken, list[dict[str, Any]]()
    masked = bool(broken)
    if not broken:
        refused = refusal(parsed.value) if isinstance(parsed.value, dict) else None
        if refused:
            return Record(number, path, digest, False, refusal=refused)
        judged = judge_meta(parsed.value, number)
        broken, masked, typed = judged.broken, judged.masked, judged.typed
    for rule, message in broken:
        findings.add(rule, path, None, message)
    members = parsed.value if isinstance(parsed.value, dict) else {}
    if masked:
        # For people, the name is shown even where another member is wrong.
        members = {name: members[name] for name in ("name",) if name in members and not parsed.broken}
        return Record(number, path, digest, True, members)
    return Record(number, path, digest, False, members, typed)


def _digest(file: File, path: str, findings: Findings) -> str | None:
    """The digest of a record that is too long: it is the id all the same."""
    try:
        return file.digest(0, file.size)
    except Unreadable as error:
        findings.unchecked(path, str(error))
        return None


class Chain:
    """Judges additions in the order of their numbers against the records before them, keeping only names and tags."""

    def __init__(self, first: Record | None, findings: Findings) -> None:
        self.digests: dict[int, str | None] = {1: first.digest} if first else {}
        self.previous: dict[int, str] = {}
        """For each addition that is not masked, the digest that it gives for the record before it."""
        self.masked: set[int] = set()
        self._id = f"sha256:{first.digest}" if first and first.digest else None
        self._findings = findings
        self._names: dict[str, dict[str, int]] = {"params": {}, "extra": {}}
        self._tags: dict[str, int] = {}
        if first is None or first.masked:
            self.masked.add(1)
        else:
            self._remember(first)

    def add(self, record: Record) -> None:
        """Judge the next addition."""
        if record.masked:
            self.masked.add(record.number)
        else:
            for rule, message in self._judge(record):
                self._findings.add(rule, record.path, None, message)
            self.previous[record.number] = record.members["previous"].removeprefix("sha256:")
        self._remember(record)
        self.digests[record.number] = record.digest

    def _judge(self, record: Record) -> list[Broken]:
        broken, number, members = list[Broken](), record.number, record.members
        if number - 1 not in self.digests:
            broken.append(("addition.numbers", f"there is no record {number - 1}"))
        elif (digest := self.digests[number - 1]) and members["previous"] != f"sha256:{digest}":
            shown = f"previous is {members['previous']}, but record {number - 1} has the digest {digest}"
            broken.append(("addition.previous", shown))
        if self._id and members["experiment"] != self._id:
            broken.append(("addition.experiment", f"experiment is {members['experiment']}, but the id is {self._id}"))
        for member, names in self._names.items():
            for name in members.get(member, {}):
                if name in names:
                    broken.append(("addition.new-names", f"{member} has {show(name)}, as has record {names[name]}"))
        for tag in members.get("tags", []):
            if tag in self._tags:
                broken.append(("addition.new-tags", f"the tag {show(tag)} is in record {self._tags[tag]}"))
        return broken

    def _remember(self, record: Record) -> None:
        if not record.masked:
            for member, names in self._names.items():
                for name in record.members.get(member, {}):
                    names.setdefault(name, record.number)
            for tag in record.members.get("tags", []):
                self._tags.setdefault(tag, record.number)
