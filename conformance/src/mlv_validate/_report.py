"""The report: what was found at each path, as values, as JSON and in numbers."""

from dataclasses import dataclass, field, replace
from typing import Any

from mlv_validate._findings import Finding, Omitted, Unchecked
from mlv_validate._text import dumps, storable
from mlv_validate._version import __version__

_EXIT = {"valid": 0, "invalid": 1, "unchecked": 3}


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment that was judged.

    `path` is relative to what was given, `.` for that itself; `id`, `name`, `state` and `sealed` are None where they
    are not known; `events` counts the lines that could be read.
    """

    path: str
    id: str | None
    name: str | None
    state: str | None
    sealed: bool | None
    events: int


@dataclass(frozen=True, slots=True)
class Target:
    """What was found at one of the paths that were given.

    `findings` are at most 1000 of one rule at one path; `omitted` has the numbers of the others. `errors` and
    `warnings` count both.
    """

    path: str
    experiments: tuple[Experiment, ...]
    findings: tuple[Finding, ...]
    omitted: tuple[Omitted, ...]
    unchecked: tuple[Unchecked, ...]
    events: int

    @property
    def verdict(self) -> str:
        """`valid`, `invalid` or `unchecked`: the last wins over the others, whatever the findings are."""
        if self.unchecked:
            return "unchecked"
        return "invalid" if self.errors else "valid"

    @property
    def errors(self) -> int:
        """The number of findings that are errors."""
        return self._number("error")

    @property
    def warnings(self) -> int:
        """The number of findings that are warnings."""
        return self._number("warning")

    def _number(self, level: str) -> int:
        listed = sum(finding.level == level for finding in self.findings)
        return listed + sum(entry.number for entry in self.omitted if entry.level == level)


@dataclass(frozen=True, slots=True)
class Report:
    """What `validate` returns. The same directories give an equal report.

    `level` is `core` or `sealed`: what was asked for. `rules` are those whose findings it has, None for all: only then
    do the verdicts say that the specification is kept.
    """

    level: str
    targets: tuple[Target, ...] = field(default_factory=tuple)
    rules: frozenset[str] | None = None

    @property
    def verdict(self) -> str:
        """`valid`, `invalid` or `unchecked`, over all targets."""
        verdicts = {target.verdict for target in self.targets}
        return next((verdict for verdict in ("unchecked", "invalid") if verdict in verdicts), "valid")

    @property
    def exit_code(self) -> int:
        """0 for valid, 1 for invalid, 3 for unchecked."""
        return _EXIT[self.verdict]

    def to_json(self) -> dict[str, Any]:
        """The report of all rules as `report.schema.json` describes it. It has no times in it."""
        return {
            "mlv_report": "1.0",
            "tool": {"name": "mlv-validate", "version": __version__},
            "level": self.level,
            "verdict": self.verdict,
            "targets": [_target(target) for target in self.targets],
            "totals": {
                "experiments": sum(len(target.experiments) for target in self.targets),
                "events": sum(target.events for target in self.targets),
                "errors": sum(target.errors for target in self.targets),
                "warnings": sum(target.warnings for target in self.targets),
                "unchecked": sum(len(target.unchecked) for target in self.targets),
            },
        }

    def dumps(self) -> str:
        """The JSON text of the report: ASCII without control characters but line feeds."""
        return dumps(self.to_json())

    def only(self, rules: frozenset[str]) -> "Report":
        """The report of the findings of some rules; what could not be checked stays."""
        targets = (
            replace(
                target,
                findings=tuple(finding for finding in target.findings if finding.rule in rules),
                omitted=tuple(entry for entry in target.omitted if entry.rule in rules),
            )
            for target in self.targets
        )
        return replace(self, targets=tuple(targets), rules=rules)


def _target(target: Target) -> dict[str, Any]:
    return {
        "path": storable(target.path),
        "verdict": target.verdict,
        "experiments": [
            {
                "path": storable(one.path),
                "id": one.id,
                "name": one.name,
                "state": one.state,
                "sealed": one.sealed,
                "events": one.events,
            }
            for one in target.experiments
        ],
        "findings": [
            {
                "rule": finding.rule,
                "level": finding.level,
                "path": storable(finding.path),
                "line": finding.line,
                "message": storable(finding.message),
            }
            for finding in target.findings
        ],
        "unchecked": [{"path": storable(entry.path), "reason": storable(entry.reason)} for entry in target.unchecked],
        **({"omitted": list(map(_omitted, target.omitted))} if target.omitted else {}),
    }


def _omitted(entry: Omitted) -> dict[str, Any]:
    return {"rule": entry.rule, "path": storable(entry.path), "number": entry.number}
