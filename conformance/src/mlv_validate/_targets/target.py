"""One path that the user gave: the experiments in and below it, checked and compared with one another."""

import os
from collections.abc import Collection
from typing import Any
from zlib import crc32

from mlv_validate._fast import is_long
from mlv_validate._findings import Findings, Unchecked, path_order
from mlv_validate._jobs import WorkerFailed, can_fork, workers
from mlv_validate._read.directory import Absent, Directory, File, Progress, Unreadable, open_target, walk
from mlv_validate._report import Match, Target
from mlv_validate._rules.layout import FOLDERS, Copies, check_parent
from mlv_validate._rules.lifecycle import unsealed_streams
from mlv_validate._targets.anchor import Anchor, check_anchor, match_bare_log
from mlv_validate._targets.discovery import is_experiment
from mlv_validate._targets.experiment import ExperimentResult, check_experiment
from mlv_validate._targets.stream import check_stream

Identity = tuple[int, int]
"""What distinguishes a directory from all others on this machine."""
Share = dict[str, tuple[ExperimentResult | str, Identity]]
"""Experiments by path; a string instead of a result says why the experiment was not checked."""


def check_target(
    path: str,
    *,
    sealed: bool,
    copies: Copies,
    jobs: int = 1,
    progress: Progress | None = None,
    anchor: Anchor | None = None,
) -> Target:
    """Check a directory with everything below it, or a file as a bare log."""
    try:
        opened = open_target(path, progress)
    except Unreadable as error:
        return Target(path, (), (), (), (Unchecked(".", str(error)),), 0)
    with opened:
        if isinstance(opened, File):
            return _bare_log(path, opened, sealed, jobs, anchor)
        return _directory(path, opened, sealed, copies, jobs, anchor)


def find_experiments(path: str, *, nested: bool) -> tuple[list[str], list[Unchecked]]:
    """Find the experiments that `check_target` checks in and below a directory, without checking them.

    Args:
        path: The directory.
        nested: Whether to find experiments inside of experiments.

    Returns:
        The paths of the experiments relative to `path`, in the order of their bytes, and what can't be searched.

    Raises:
        NotADirectoryError: If `path` is a file.
    """
    findings = Findings()
    found: list[str] = []

    def visit(directory: Directory, where: str, entries: dict[str, str]) -> Collection[str]:
        if not is_experiment(directory, where, entries, findings):
            return ()
        found.append(where)
        return FOLDERS if nested else entries

    try:
        opened = open_target(path)
    except Unreadable as error:
        return [], [Unchecked(".", str(error))]
    with opened:
        if isinstance(opened, File):
            raise NotADirectoryError(f"{path!r} isn't a directory")
        walk(opened.duplicate(), visit, findings.add_unchecked)
    return [where or "." for where in sorted(found, key=path_order)], list(dict.fromkeys(findings.unchecked))


def _bare_log(path: str, file: File, sealed: bool, jobs: int, anchor: Anchor | None) -> Target:
    """Check a single log file."""
    findings, events, matches = Findings(), 0, tuple[Match, ...]()
    try:
        stream = check_stream(None, file, ".", (1, 0), findings, None, jobs, [anchor.digest] if anchor else [])
        events = stream.events
        matches = match_bare_log(stream, anchor, findings) if anchor else ()
        for rule, where, line, message in unsealed_streams([stream], findings) if sealed else []:
            findings.add(rule, where, line, message)
    except (Unreadable, MemoryError) as error:
        findings.add_unchecked(".", str(error) or "there was not enough memory")
    parts = tuple(findings.listed), tuple(findings.omitted), tuple(findings.unchecked)
    return Target(path, (), *parts, events, matches)


def _directory(path: str, root: Directory, sealed: bool, copies: Copies, jobs: int, anchor: Anchor | None) -> Target:
    """Check the experiments in and below a directory, and compare them with one another."""
    common = Findings()
    found = _check_all(root, sealed, jobs, common, anchor)
    results = []
    for where in sorted(found, key=path_order):
        result, identity = found[where]
        if result.checked and result.parent is not False:
            _compare_parent(result, found)
        if result.checked and result.id is not None:
            findings = result.findings if result.parent is not False else None
            copies.check(result.id, os.path.join(path, result.path), identity, findings)
        results.append(result)
    if not results:
        common.add_unchecked(".", "there is no experiment in it")
    matches = check_anchor(root, anchor, results, common) if anchor else ()
    parts = [common, *(result.findings for result in results)]
    return Target(
        path,
        tuple(result.experiment for result in results),
        tuple(finding for part in parts for finding in part.listed),
        tuple(number for part in parts for number in part.omitted),
        tuple(dict.fromkeys(entry for part in parts for entry in part.unchecked)),
        sum(result.events for result in results),
        matches,
    )


def _compare_parent(result: ExperimentResult, others: dict[str, tuple[ExperimentResult, Identity]]) -> None:
    """Compare the `parent` of an experiment with the nearest experiment that encloses it."""
    path = result.path
    while path:
        path = path.rpartition("/")[0]
        if path in others:
            enclosing, _ = others[path]
            if enclosing.checked and enclosing.id:
                check_parent(result.parent, enclosing.id, result.findings)
            return


def _check_all(
    root: Directory, sealed: bool, jobs: int, common: Findings, anchor: Anchor | None
) -> dict[str, tuple[ExperimentResult, Identity]]:
    """Check the experiments in and below a directory, distributed by their paths over `jobs` processes."""
    jobs = max(jobs, 1) if can_fork() else 1
    others: dict[str, int] = {}
    try:
        with workers(
            jobs - 1, lambda number: iter([_check_share(root, sealed, jobs, number, Findings(), {}, anchor)])
        ) as shares:
            found = _check_share(root, sealed, jobs, jobs - 1, common, others, anchor)
            for number, share in enumerate(shares):
                given, reason = dict[str, Any](), "it was moved, removed or replaced while the directory was read"
                try:
                    given = next(share)
                except WorkerFailed as error:
                    reason = str(error)
                for where in [where for where, other in others.items() if other == number]:
                    found[where] = given.get(where, (reason, (0, 0)))
    except WorkerFailed as error:
        common.add_unchecked(".", str(error))
        return {}
    for where, (result, _) in found.items():
        if isinstance(result, str):
            common.add_unchecked(where or ".", result)
    return {where: (result, identity) for where, (result, identity) in found.items() if not isinstance(result, str)}


def _check_share(
    root: Directory,
    sealed: bool,
    jobs: int,
    number: int,
    common: Findings,
    others: dict[str, int],
    anchor: Anchor | None,
) -> Share:
    """Check the experiments of one process.

    Args:
        root: The directory that was given.
        sealed: Whether to check level Sealed.
        jobs: The number of processes.
        number: The number of this process; the first process has the greatest.
        common: Takes what belongs to no experiment.
        others: Takes the experiments of other processes, with the number of the process.
        anchor: The anchor, if one was given.
    """
    found: Share = {}

    def visit(directory: Directory, where: str, entries: dict[str, str]) -> set[str]:
        if not is_experiment(directory, where, entries, common):
            return set()
        # A long stream is read by several processes, which only the first process may start.
        long = jobs > 1 and entries.get("log.jsonl") == "file" and is_long(_size(directory, "log.jsonl"))
        whose = jobs - 1 if long else crc32(path_order(where)) % jobs
        if whose != number:
            others[where] = whose
            return set(FOLDERS)
        try:
            result = check_experiment(
                directory,
                where,
                entries,
                sealed=sealed,
                jobs=jobs if long else 1,
                anchor=anchor.digest if anchor else None,
            )
            found[where] = result, directory.identity()
        except Exception as error:  # a fault of the validator costs this experiment's verdict, not those of the others
            found[where] = f"the validator failed: {type(error).__name__}: {ascii(str(error))[:200]}", (0, 0)
        return set(FOLDERS)

    walk(root.reopened() if number < jobs - 1 else root.duplicate(), visit, common.add_unchecked)
    return found


def _size(directory: Directory, name: str) -> int:
    try:
        return directory.status(name).st_size
    except (Absent, Unreadable):
        return 0
