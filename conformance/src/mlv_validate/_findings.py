"""Findings, and what could not be checked."""

from dataclasses import dataclass, field, replace

from mlv_validate._requirements import ORDER, RULES

Broken = tuple[str, str]
"""A rule that is broken, and a message."""

KEPT = 1000
"""So many findings of one rule at one path are stored; the others are only counted."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken rule, and where.

    Attributes:
        rule (str): The name of the rule.
        level (str): `error` or `warning`.
        path (str): The path relative to the target, with `/` between segments.
        line (int | None): The number of the line, counted from 1; None if the path isn't a stream, or for the whole
            stream.
        message (str): The description of the finding, which may change between versions.
    """

    rule: str
    level: str
    path: str
    line: int | None
    message: str


@dataclass(frozen=True, slots=True)
class Omitted:
    """The number of further findings of one rule at one path: those after the first 1,000.

    Attributes:
        rule (str): The name of the rule.
        level (str): `error` or `warning`.
        path (str): The path relative to the target.
        number (int): The number of the further findings.
    """

    rule: str
    level: str
    path: str
    number: int


@dataclass(frozen=True, slots=True)
class Unchecked:
    """A path that couldn't be read or judged, and why.

    Attributes:
        path (str): The path relative to the target.
        reason (str): Why it couldn't be judged.
    """

    path: str
    reason: str


def path_order(path: str) -> bytes:
    """Return the key that sorts paths by their bytes."""
    return path.encode("utf-8", "surrogateescape")


@dataclass(slots=True)
class Kind:
    """The findings of one rule at one path: those stored, the number of the others, and the line of the last one."""

    kept: dict[int | None, Finding] = field(default_factory=dict)
    omitted: int = 0
    line: int = 0

    def count(self, lines: int, last: int) -> None:
        """Count the findings of so many lines, up to line `last`."""
        self.omitted += lines
        self.line = last

    def findings(self) -> list[Finding]:
        """Return the stored findings; the message of the last one says how many more there are."""
        findings = list(self.kept.values())
        if self.omitted:
            more = f"{findings[-1].message}; {self.omitted} more of this rule in this file are counted, not listed"
            findings[-1] = replace(findings[-1], message=more)
        return findings


@dataclass(slots=True)
class Findings:
    """The findings of one experiment or target, each once. `prefix` is the path of the experiment.

    Findings of one rule at one path must be added in the order of their lines.
    """

    prefix: str = ""
    _found: dict[str, dict[str, Kind]] = field(default_factory=dict)
    _unchecked: dict[tuple[str, str], Unchecked] = field(default_factory=dict)

    def add(self, rule: str, path: str, line: int | None, message: str) -> None:
        """Report that a rule is broken; only the first message of a finding is stored."""
        kinds = self._found.setdefault(path, {})
        kind = kinds.get(rule)
        if kind is None:
            kind = kinds[rule] = Kind()
        if line in kind.kept:
            return
        if line is None or len(kind.kept) < KEPT:
            kind.kept[line] = Finding(rule, RULES[rule].severity, self._full(path), line, message)
        elif line > kind.line:
            kind.omitted += 1
            kind.line = line

    def full(self, path: str, rules: tuple[str, ...]) -> list[Kind] | None:
        """Return the findings of each of these rules at a path, if further ones of all of them are only counted."""
        kinds = self._found.get(path, {})
        full = [kinds[rule] for rule in rules if rule in kinds and len(kinds[rule].kept) >= KEPT]
        return full if len(full) == len(rules) else None

    def unchecked(self, path: str, reason: str) -> None:
        """Report that something could not be checked."""
        self._unchecked.setdefault((path, reason), Unchecked(self._full(path), reason))

    def at(self, path: str, line: int) -> bool:
        """Return whether there is a finding at a line; of those only counted, the last of each rule is known."""
        return any(line in kind.kept or line == kind.line for kind in self._found.get(path, {}).values())

    @property
    def found(self) -> list[Finding]:
        """The stored findings, by path, line and rule."""
        kept = [finding for kinds in self._found.values() for kind in kinds.values() for finding in kind.findings()]
        return sorted(kept, key=_finding_order)

    @property
    def omitted(self) -> list[Omitted]:
        """The numbers of findings that are only counted, by path and rule."""
        return [
            Omitted(rule, RULES[rule].severity, self._full(path), self._found[path][rule].omitted)
            for path in sorted(self._found, key=path_order)
            for rule in sorted(self._found[path], key=ORDER.__getitem__)
            if self._found[path][rule].omitted
        ]

    @property
    def not_checked(self) -> list[Unchecked]:
        """What could not be checked, by path."""
        return sorted(self._unchecked.values(), key=lambda entry: (path_order(entry.path), entry.reason))

    def _full(self, path: str) -> str:
        if path == ".":
            return self.prefix or "."
        return f"{self.prefix}/{path}" if self.prefix else path


def _finding_order(finding: Finding) -> tuple[bytes, int, int]:
    return path_order(finding.path), finding.line or 0, ORDER[finding.rule]
