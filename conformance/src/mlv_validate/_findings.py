"""Findings, and what could not be checked."""

from dataclasses import dataclass, field, replace

from mlv_validate._requirements import ORDER, RULES

Broken = tuple[str, str]
"""A rule that is broken, and a message."""

MAX_LISTED = 1000
"""The number of findings of one rule at one path that a report lists; further ones are only counted."""


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
    """A path that couldn't be read or checked, and why.

    Attributes:
        path (str): The path relative to the target.
        reason (str): Why it couldn't be checked.
    """

    path: str
    reason: str


def path_order(path: str) -> bytes:
    """Return the key that sorts paths by their bytes."""
    return path.encode("utf-8", "surrogateescape")


@dataclass(slots=True)
class RuleFindings:
    """The findings of one rule at one path.

    `listed` are the first findings by their lines, `omitted` is the number of further ones, and `last` the line of the
    last of them.
    """

    listed: dict[int | None, Finding] = field(default_factory=dict)
    omitted: int = 0
    last: int = 0

    def count(self, lines: int, last: int) -> None:
        """Count further findings at so many lines, of which `last` is the last."""
        self.omitted += lines
        self.last = last

    def findings(self) -> list[Finding]:
        """Return the listed findings; the message of the last one says how many more there are."""
        findings = list(self.listed.values())
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
    _by_path: dict[str, dict[str, RuleFindings]] = field(default_factory=dict)
    _unchecked: dict[tuple[str, str], Unchecked] = field(default_factory=dict)

    def add(self, rule: str, path: str, line: int | None, message: str) -> None:
        """Report that a rule is broken; of several messages about one line, the first is reported."""
        by_rule = self._by_path.setdefault(path, {})
        found = by_rule.get(rule)
        if found is None:
            found = by_rule[rule] = RuleFindings()
        if line in found.listed:
            return
        if line is None or len(found.listed) < MAX_LISTED:
            found.listed[line] = Finding(rule, RULES[rule].severity, self._prefixed(path), line, message)
        elif line > found.last:
            found.omitted += 1
            found.last = line

    def only_counted(self, path: str, rules: tuple[str, ...]) -> list[RuleFindings] | None:
        """Return the findings of each rule at a path; None if a further finding of one of them must be listed."""
        by_rule = self._by_path.get(path, {})
        full = [by_rule[rule] for rule in rules if rule in by_rule and len(by_rule[rule].listed) >= MAX_LISTED]
        return full if len(full) == len(rules) else None

    def add_unchecked(self, path: str, reason: str) -> None:
        """Report that something could not be checked."""
        self._unchecked.setdefault((path, reason), Unchecked(self._prefixed(path), reason))

    def has_finding_at(self, path: str, line: int) -> bool:
        """Return whether a finding is at a line: a listed one, or the last of those that are only counted."""
        return any(line in found.listed or line == found.last for found in self._by_path.get(path, {}).values())

    @property
    def listed(self) -> list[Finding]:
        """The listed findings, by path, line and rule."""
        every = [found for by_rule in self._by_path.values() for found in by_rule.values()]
        return sorted((finding for found in every for finding in found.findings()), key=_finding_order)

    @property
    def omitted(self) -> list[Omitted]:
        """The numbers of findings that are only counted, by path and rule."""
        return [
            Omitted(rule, RULES[rule].severity, self._prefixed(path), self._by_path[path][rule].omitted)
            for path in sorted(self._by_path, key=path_order)
            for rule in sorted(self._by_path[path], key=ORDER.__getitem__)
            if self._by_path[path][rule].omitted
        ]

    @property
    def unchecked(self) -> list[Unchecked]:
        """The paths that could not be checked, in their order."""
        return sorted(self._unchecked.values(), key=lambda entry: (path_order(entry.path), entry.reason))

    def _prefixed(self, path: str) -> str:
        """Return a path relative to the target."""
        if path == ".":
            return self.prefix or "."
        return f"{self.prefix}/{path}" if self.prefix else path


def _finding_order(finding: Finding) -> tuple[bytes, int, int]:
    return path_order(finding.path), finding.line or 0, ORDER[finding.rule]
