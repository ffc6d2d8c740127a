"""The chapter Metadata: the metadata records of an experiment, and how they refer to one another."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

from mlv_validate._findings import Broken, Findings
from mlv_validate._read.directory import Absent, Directory, File, Unreadable
from mlv_validate._read.lines import MAX_SIZE
from mlv_validate._rules.bytes import parse
from mlv_validate._rules.records import CheckedRecord, apply_checks, check_calendar, check_typed_values, typed_values_in
from mlv_validate._rules.versions import Version, is_known, parse_version, why_refused
from mlv_validate._schema.checks import checks
from mlv_validate._text import show

_META_CHECKS = checks("meta", also=("environment.facts",))
_ADDITION_CHECKS = checks("meta-addition", also=("environment.facts",))


@dataclass(frozen=True, slots=True)
class MetaRecord:
    """A metadata record that exists.

    `digest` is None if the bytes could not be read. A `masked` record has no `members` but `name`. `refusal` says why
    the experiment can't be checked because of the record, None if it can.
    """

    number: int
    path: str
    digest: str | None
    masked: bool
    members: dict[str, Any] = field(default_factory=dict)
    typed: list[dict[str, Any]] = field(default_factory=list)
    refusal: str | None = None

    @property
    def version(self) -> Version | None:
        """The version of the specification that the record names, if it is known."""
        return parse_version(self.members.get("mlv"))


def read_meta_record(folder: Directory, name: str, number: int, findings: Findings) -> MetaRecord:
    """Read a metadata record, and check it by the rules for a single record."""
    path = name if number == 1 else f"meta/{name}"
    try:
        with folder.open_file(name) as file:
            raw = file.read(0, MAX_SIZE + 1)
            digest = hashlib.sha256(raw).hexdigest() if len(raw) == file.size else _digest(file, path, findings)
            changed = file.how_changed(folder)
    except Absent:
        findings.add_unchecked(path, "it was moved, removed or replaced while the directory was read")
        return MetaRecord(number, path, None, True)
    except Unreadable as error:
        findings.add_unchecked(path, str(error))
        return MetaRecord(number, path, None, True)
    if changed:
        findings.add_unchecked(path, changed)
    parsed = parse(raw, line=False)
    broken, typed = parsed.broken, list[dict[str, Any]]()
    masked = bool(broken)
    if not broken:
        refused = why_refused(parsed.value) if isinstance(parsed.value, dict) else None
        if refused:
            return MetaRecord(number, path, digest, False, refusal=refused)
        found = check_meta(parsed.value, number)
        broken, masked, typed = found.broken, found.masked, found.typed
    for rule, message in broken:
        findings.add(rule, path, None, message)
    members = parsed.value if isinstance(parsed.value, dict) else {}
    if masked:
        # The name is shown to people even if another member is wrong.
        members = {name: members[name] for name in ("name",) if name in members and not parsed.broken}
        return MetaRecord(number, path, digest, True, members)
    return MetaRecord(number, path, digest, False, members, typed)


def check_meta(value: object, number: int) -> CheckedRecord:
    """Check the JSON value of metadata record `number`."""
    in_known = is_known(parse_version(value.get("mlv"))) if isinstance(value, dict) else True
    broken = apply_checks(_META_CHECKS if number == 1 else _ADDITION_CHECKS, value, in_known)
    typed = list[dict[str, Any]]()
    if isinstance(value, dict):
        broken += check_calendar(value, "created", "meta.created", broken)
        for member in ("params", "environment", "extra", "parent"):
            typed += typed_values_in(value.get(member), itself=member == "parent")
        for values in _changes(value).values() if number > 1 else ():
            typed += typed_values_in(values, itself=False)
    return check_typed_values(broken, typed, in_known)


def _changes(members: dict[str, Any]) -> dict[str, Any]:
    """Return the new values of an addition by member; those of a wrong form are left out."""
    changes = members.get("changes")
    if not isinstance(changes, dict) or "_mlv" in changes:
        return {}
    return {member: changes[member] for member in ("params", "extra") if isinstance(changes.get(member), dict)}


def _digest(file: File, path: str, findings: Findings) -> str | None:
    """Return the digest of a record that is too long, because the id of an experiment is the digest nevertheless."""
    try:
        return file.digest(0, file.size)
    except Unreadable as error:
        findings.add_unchecked(path, str(error))
        return None


class Chain:
    """The metadata records of an experiment in the order of their numbers; of their members, only names are stored."""

    def __init__(self, first: MetaRecord | None, findings: Findings) -> None:
        self.digests: dict[int, str | None] = {1: first.digest} if first else {}
        self.previous: dict[int, str] = {}
        """The digest of the previous record, as each addition that isn't masked names it."""
        self.masked: set[int] = set()
        self._id = f"sha256:{first.digest}" if first and first.digest else None
        self._findings = findings
        self._names: dict[str, dict[str, int]] = {"params": {}, "extra": {}}
        self._tags: dict[str, int] = {}
        if first is None or first.masked:
            self.masked.add(1)
        else:
            self._remember(first)

    def add(self, record: MetaRecord) -> None:
        """Check the next addition against the records before it."""
        if record.masked:
            self.masked.add(record.number)
        else:
            for rule, message in self._check(record):
                self._findings.add(rule, record.path, None, message)
            self.previous[record.number] = record.members["previous"].removeprefix("sha256:")
        self._remember(record)
        self.digests[record.number] = record.digest

    def _check(self, record: MetaRecord) -> list[Broken]:
        """Return the rules that an addition breaks because of the records before it."""
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
                    broken.append(("addition.new-names", f"{member} has {show(name)}, and so has record {names[name]}"))
        for member, values in _changes(members).items() if self._are_known(number) else ():
            for name in values.keys() - self._names[member].keys():
                broken.append(("addition.changed-names", f"no earlier record has {show(name)} in {member}"))
        for tag in members.get("tags", []):
            if tag in self._tags:
                broken.append(("addition.new-tags", f"the tag {show(tag)} is in record {self._tags[tag]} already"))
        return broken

    def _are_known(self, number: int) -> bool:
        """Return whether the names in all records before this one are known."""
        return not self.masked and len(self.digests) == number - 1

    def _remember(self, record: MetaRecord) -> None:
        if not record.masked:
            for member, names in self._names.items():
                for name in record.members.get(member, {}):
                    names.setdefault(name, record.number)
            for tag in record.members.get("tags", []):
                self._tags.setdefault(tag, record.number)
