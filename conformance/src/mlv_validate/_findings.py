"""What judging leaves: findings, and what could not be checked."""

from dataclasses import dataclass, field

from mlv_validate._rules import ORDER, RULES


@dataclass(frozen=True, slots=True)
class Finding:
    """
    A rule that is broken, and where.

    `level` is `error` or `warning`; `path` is relative to what was given, with `/` between segments; `line` is counted
    from 1, or None where the path is no stream or the whole stream is meant; `message` says what was found, for people.
    """

    rule: str
    level: str
    path: str
    line: int | None
    message: str


@dataclass(frozen=True, slots=True)
class Unchecked:
    """Something that could not be read or judged, and why."""

    path: str
    reason: str


def path_order(path: str) -> bytes:
    """The key that sorts paths by their bytes."""
    return path.encode("utf-8", "surrogateescape")


@dataclass(slots=True)
class Findings:
    """Collects the findings of one experiment or target, each once, below a path that is put in front of theirs."""

    prefix: str = ""
    _found: dict[tuple[str, str, int | None], Finding] = field(default_factory=dict)
    _unchecked: dict[tuple[str, str], Unchecked] = field(default_factory=dict)
    _lines: set[tuple[str, int | None]] = field(default_factory=set)

    def add(self, rule: str, path: str, line: int | None, message: str) -> None:
        """Report that a rule is broken; of the same finding only the first message is kept."""
        key = (rule, path, line)
        if key not in self._found:
            self._found[key] = Finding(rule, RULES[rule].severity, self._full(path), line, message)
            self._lines.add((path, line))

    def unchecked(self, path: str, reason: str) -> None:
        """Report that something could not be checked."""
        self._unchecked.setdefault((path, reason), Unchecked(self._full(path), reason))

    def at(self, path: str, line: int | None) -> bool:
        """Whether there is a finding at this place."""
        return (path, line) in self._lines

    @property
    def found(self) -> list[Finding]:
        """The findings, by path, line and rule."""
        return sorted(self._found.values(), key=_finding_order)

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
