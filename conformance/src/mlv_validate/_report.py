"""The report of a validation, as values and as JSON."""

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any

from mlv_validate._findings import Finding, Omitted, Unchecked
from mlv_validate._text import dumps, storable
from mlv_validate._version import __version__

_EXIT_CODES = {"valid": 0, "invalid": 1, "unchecked": 3}


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment that was validated.

    Attributes:
        path (str): The path relative to the target, `.` for the target itself.
        id (str | None): The id of the experiment, None if it isn't known.
        name (str | None): The name, None if it isn't known.
        state (str | None): The state, None if it isn't known.
        sealed (bool | None): Whether all streams are sealed, None if it isn't known.
        events (int): The number of lines that could be read.
    """

    path: str
    id: str | None
    name: str | None
    state: str | None
    sealed: bool | None
    events: int


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file that a statement lists.

    Attributes:
        path (str): The path relative to the experiment.
        digest (str): The SHA-256 of the bytes, as 64 digits.
        size (int): The number of the bytes; of a stream, that of the committed lines.
    """

    path: str
    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class Statement:
    """The statement of an experiment.

    Attributes:
        raw (bytes): The text.
        files (tuple[ListedFile, ...]): The listed files.
    """

    raw: bytes
    files: tuple[ListedFile, ...]

    @property
    def anchor(self) -> str:
        """The anchor to cite: `sha256:` and the digest of the text."""
        return f"sha256:{hashlib.sha256(self.raw).hexdigest()}"


@dataclass(frozen=True, slots=True)
class CoveredStream:
    """A stream that an anchor covers, up to a line.

    Attributes:
        path (str): The path relative to the target.
        seq (int | None): The `seq` of the last covered line, 0 if no line is covered; None if the line has none.
        later (int): The number of lines after it, which aren't covered.
    """

    path: str
    seq: int | None
    later: int


@dataclass(frozen=True, slots=True)
class Match:
    """A statement or a seal that has the digest of the anchor.

    Attributes:
        kind (str): `statement` or `seal`.
        path (str | None): The path of the statement or of `log.jsonl`, relative to the target; None for a statement
            that isn't in the directory.
        line (int | None): The line of the seal, None for a statement.
        streams (tuple[CoveredStream, ...]): The streams that are covered and unchanged.
        uncovered (tuple[str, ...]): The metadata records, streams and files below `files` that aren't covered, relative
            to the target.
    """

    kind: str
    path: str | None
    line: int | None
    streams: tuple[CoveredStream, ...]
    uncovered: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Whether nothing was added since the anchor was made: it covers every record and every line."""
        return not self.uncovered and not any(stream.later for stream in self.streams)


@dataclass(frozen=True, slots=True)
class Discovery:
    """The result of `discover`.

    Attributes:
        experiments (tuple[str, ...]): The paths of the experiments, relative to the given path and in the order of
            their bytes; `.` is the given path itself.
        unchecked (tuple[Unchecked, ...]): What could not be searched.
    """

    experiments: tuple[str, ...]
    unchecked: tuple[Unchecked, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """The result for one of the paths that were validated.

    Attributes:
        path (str): The path.
        experiments (tuple[Experiment, ...]): The experiments in and below it.
        findings (tuple[Finding, ...]): The findings, at most 1,000 of one rule at one path.
        omitted (tuple[Omitted, ...]): The numbers of the further findings.
        unchecked (tuple[Unchecked, ...]): The paths that couldn't be checked.
        events (int): The number of lines that could be read.
        matches (tuple[Match, ...]): The statements and seals that have the digest of the anchor.
    """

    path: str
    experiments: tuple[Experiment, ...]
    findings: tuple[Finding, ...]
    omitted: tuple[Omitted, ...]
    unchecked: tuple[Unchecked, ...]
    events: int
    matches: tuple[Match, ...] = ()

    @property
    def verdict(self) -> str:
        """The verdict: `valid`, `invalid`, or `unchecked` if a path couldn't be checked, whatever the findings are."""
        if self.unchecked:
            return "unchecked"
        return "invalid" if self.errors else "valid"

    @property
    def errors(self) -> int:
        """The number of findings that are errors, omitted ones included."""
        return self._number("error")

    @property
    def warnings(self) -> int:
        """The number of findings that are warnings, omitted ones included."""
        return self._number("warning")

    def _number(self, level: str) -> int:
        listed = sum(finding.level == level for finding in self.findings)
        return listed + sum(entry.number for entry in self.omitted if entry.level == level)


@dataclass(frozen=True, slots=True)
class Report:
    """A report, as returned by `validate`. The same directories give an equal report.

    Attributes:
        level (str): The conformance level that was checked: `core` or `sealed`.
        targets (tuple[Target, ...]): One target for each path.
        rules (frozenset[str] | None): The rules whose findings the report has; None for all. Only a report of all rules
            shows that the targets are valid.
        anchor (str | None): The anchor that was given: `sha256:` and a digest.
    """

    level: str
    targets: tuple[Target, ...] = field(default_factory=tuple)
    rules: frozenset[str] | None = None
    anchor: str | None = None

    @property
    def verdict(self) -> str:
        """The verdict for all targets together: `valid`, `invalid` or `unchecked`."""
        verdicts = {target.verdict for target in self.targets}
        return next((verdict for verdict in ("unchecked", "invalid") if verdict in verdicts), "valid")

    @property
    def exit_code(self) -> int:
        """The exit code: 0 for valid, 1 for invalid, 3 for unchecked."""
        return _EXIT_CODES[self.verdict]

    def to_json(self) -> dict[str, Any]:
        """Return the report of all rules as a JSON object that `report.schema.json` describes. It contains no times."""
        return {
            "mlv_report": "1.0",
            "tool": {"name": "mlv-validate", "version": __version__},
            "level": self.level,
            **({"anchor": self.anchor} if self.anchor else {}),
            "verdict": self.verdict,
            "targets": [_target(target, anchored=self.anchor is not None) for target in self.targets],
            "totals": {
                "experiments": sum(len(target.experiments) for target in self.targets),
                "events": sum(target.events for target in self.targets),
                "errors": sum(target.errors for target in self.targets),
                "warnings": sum(target.warnings for target in self.targets),
                "unchecked": sum(len(target.unchecked) for target in self.targets),
            },
        }

    def dumps(self) -> str:
        """Return the report as JSON text: ASCII, without control characters except line feeds."""
        return dumps(self.to_json())

    def only(self, rules: frozenset[str]) -> "Report":
        """Return the report with the findings of some rules. The unchecked paths stay.

        Args:
            rules: The names of the rules.
        """
        targets = (
            replace(
                target,
                findings=tuple(finding for finding in target.findings if finding.rule in rules),
                omitted=tuple(entry for entry in target.omitted if entry.rule in rules),
            )
            for target in self.targets
        )
        return replace(self, targets=tuple(targets), rules=rules)


def _target(target: Target, *, anchored: bool) -> dict[str, Any]:
    """Return a target as a JSON object of the report."""
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
        **({"matches": list(map(_match, target.matches))} if anchored else {}),
    }


def _match(match: Match) -> dict[str, Any]:
    return {
        "kind": match.kind,
        "path": None if match.path is None else storable(match.path),
        "line": match.line,
        "streams": [
            {"path": storable(stream.path), "seq": stream.seq, "later": stream.later} for stream in match.streams
        ],
        "uncovered": [storable(path) for path in match.uncovered],
    }


def _omitted(entry: Omitted) -> dict[str, Any]:
    return {"rule": entry.rule, "path": storable(entry.path), "number": entry.number}
