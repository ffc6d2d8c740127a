"""The report: what was found at each path, as values, as JSON and in numbers."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from mlv_validate._directory import Progress
from mlv_validate._findings import Finding, Omitted, Unchecked
from mlv_validate._target import Copies, Judged, find_experiments, judge_target
from mlv_validate._text import dumps, storable

__version__ = "0.1.0"

_EXIT = {"valid": 0, "invalid": 1, "unchecked": 3}


@dataclass(frozen=True, slots=True)
class Experiment:
    """
    An experiment that was judged.

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
class Discovery:
    """
    What `discover` returns.

    `experiments` are the paths of the experiments, relative to what was given, `.` for that itself, in the order of
    their bytes; `unchecked` is what could not be searched.
    """

    experiments: tuple[str, ...]
    unchecked: tuple[Unchecked, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """
    What was found at one of the paths that were given.

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
    """
    What `validate` returns. The same directories give an equal report.

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


def validate(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]], *, sealed: bool = False, jobs: int = 1
) -> Report:
    """
    Judge experiments.

    Args:
        paths: One path or several: an experiment, a directory with experiments below it, or a file that is a bare log.
        sealed: Judge level Sealed as well: every stream ends with a seal, and every record's digest is given.
        jobs: How many processes may share the work. The report is the same for any number.

    Returns:
        The report, with one target for each path. It is `valid` only if everything was read and judged.

    Raises:
        FileNotFoundError: A path does not exist.

    Nothing is written, locked or fetched, and nothing outside the paths is opened; symbolic links are followed only
    where they are paths that were given. Whatever the directories hold, there is no other exception: what cannot be
    read or judged is listed as `unchecked`.
    """
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    for path in given:
        if not exists(path):
            raise FileNotFoundError(f"{os.fspath(path)!r} does not exist")
    return judge(given, sealed=sealed, jobs=jobs)


def discover(path: str | os.PathLike[str], *, nested: bool = True) -> Discovery:
    """
    Find the experiments that `validate` judges in and below a directory, without judging them.

    A directory is an experiment if its `meta.json` has a string member `mlv`, or if the first line of its `log.jsonl`
    begins the session of an experiment; the directory at `path` itself also if it has any `meta.json`. The search is
    that of the specification (`validator.findings`): 64 directories deep, without the folders of an experiment's
    record, and without symbolic links.

    Args:
        path: The directory.
        nested: Whether experiments inside of experiments are found, too.

    Returns:
        The experiments, and what could not be searched.

    Raises:
        FileNotFoundError: If `path` does not exist.
        NotADirectoryError: If `path` is a file.
    """
    if not exists(path):
        raise FileNotFoundError(f"{os.fspath(path)!r} does not exist")
    experiments, unchecked = find_experiments(os.fspath(path), nested=nested)
    return Discovery(tuple(experiments), tuple(unchecked))


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
    """Whether there is something at a path, as far as can be known: what cannot be looked at may be there."""
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
