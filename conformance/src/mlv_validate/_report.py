"""The report: what was found at each path, as values, as JSON and in numbers."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from mlv_validate._directory import Progress
from mlv_validate._findings import Finding, Omitted, Unchecked
from mlv_validate._target import Copies, Judged, judge_target
from mlv_validate._text import dumps, storable

__version__ = "0.1.0"
"""The version of mlv-validate."""

_EXIT = {"valid": 0, "invalid": 1, "unchecked": 3}


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment that was judged.

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
class Target:
    """The findings at one of the paths that were judged.

    Attributes:
        path (str): The path.
        experiments (tuple[Experiment, ...]): The experiments in and below it.
        findings (tuple[Finding, ...]): The findings, at most 1,000 of one rule at one path.
        omitted (tuple[Omitted, ...]): The numbers of the further findings.
        unchecked (tuple[Unchecked, ...]): The paths that couldn't be checked.
        events (int): The number of lines that could be read.
    """

    path: str
    experiments: tuple[Experiment, ...]
    findings: tuple[Finding, ...]
    omitted: tuple[Omitted, ...]
    unchecked: tuple[Unchecked, ...]
    events: int

    @property
    def verdict(self) -> str:
        """`valid`, `invalid` or `unchecked`. If a path couldn't be checked, it is `unchecked`, whatever the findings
        are."""
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
        level (str): The conformance level that was judged: `core` or `sealed`.
        targets (tuple[Target, ...]): One target for each path.
        rules (frozenset[str] | None): The rules whose findings the report has; None for all. Only a report of all rules
            shows that the specification is kept.
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
        """Return the report of all rules as a JSON object that `report.schema.json` describes. It contains no times."""
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


def validate(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]], *, sealed: bool = False, jobs: int = 1
) -> Report:
    """Validate experiments against the specification.

    Nothing is written, locked or downloaded, and nothing outside of the paths is opened (`validator.read-only`,
    `validator.contained`). A symbolic link is followed only if you pass it as a path. Whatever the directories contain,
    there is no other exception: an unreadable path is listed in `unchecked`.

    Args:
        paths: One path or several: an experiment, a directory with experiments below it, or a file that is a bare log.
        sealed: Whether to judge level Sealed as well: every stream ends with a seal, and every record's digest is
            given.
        jobs: The number of processes. The report doesn't depend on it.

    Returns:
        The report, with one target for each path. It is `valid` only if everything was read and judged.

    Raises:
        FileNotFoundError: If a path does not exist.

    Example:
        ```python
        from mlv_validate import validate
        from mlvlogger import Exp

        with Exp("runs", "my_exp_1") as exp:
            exp.log.event("batch", loss=0.5)

        report = validate("runs", sealed=True)
        print(report.verdict, report.targets[0].experiments[0].events)
        ```

        ```text
        valid 3
        ```
    """
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    for path in given:
        if not exists(path):
            raise FileNotFoundError(f"{os.fspath(path)!r} does not exist")
    return judge(given, sealed=sealed, jobs=jobs)


def judge(
    paths: Iterable[str | os.PathLike[str]], *, sealed: bool, jobs: int = 1, progress: Progress | None = None
) -> Report:
    """
    `validate` without its exception: a path that does not exist is one that could not be checked.

    `progress` is called now and then while this process reads a file.
    """
    copies = Copies()
    targets = [
        _frozen(judge_target(os.fspath(path), sealed=sealed, copies=copies, jobs=jobs, progress=progress))
        for path in paths
    ]
    return Report("sealed" if sealed else "core", tuple(targets))


def exists(path: str | os.PathLike[str]) -> bool:
    """Whether there is something at a path, as far as can be known: a path that cannot be inspected may exist."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError:
        pass
    return True


def _frozen(judged: Judged) -> Target:
    experiments = tuple(
        Experiment(one.path or ".", one.id, one.name, one.state, one.sealed, one.events) for one in judged.experiments
    )
    return Target(
        judged.path,
        experiments,
        tuple(judged.findings),
        tuple(judged.omitted),
        tuple(judged.unchecked),
        judged.events,
    )


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
