"""One path that the user gave: the experiments in and below it, judged and compared with one another."""

import os
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from mlv_validate._ahead import is_long
from mlv_validate._directory import Absent, Directory, File, Progress, Unreadable, open_target, walk
from mlv_validate._experiment import Experiment, judge_experiment
from mlv_validate._findings import Finding, Findings, Omitted, Unchecked, path_order
from mlv_validate._jobs import Lost, can_fork, workers
from mlv_validate._json import MAX_SIZE, parse
from mlv_validate._layout import FOLDERS
from mlv_validate._lines import first_line
from mlv_validate._sealed import last_lines
from mlv_validate._stream import judge_stream


@dataclass(slots=True)
class Judged:
    """What was found at one path."""

    path: str
    experiments: list[Experiment]
    findings: list[Finding]
    omitted: list[Omitted]
    unchecked: list[Unchecked]
    events: int


class Copies:
    """Finds experiments with the same id among all that are judged together; the same directory twice isn't a copy."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[str, tuple[int, int]]] = {}

    def add(self, experiment: Experiment, target: str, identity: tuple[int, int]) -> None:
        """Take the next experiment, in the order in which they are judged."""
        if not experiment.judged or experiment.id is None:
            return
        path, first = self._seen.setdefault(experiment.id, (os.path.join(target, experiment.path), identity))
        if identity != first and experiment.parent is not False:
            experiment.findings.add("id.copies", "meta.json", None, f"it has the same id as {ascii(path)[1:-1]}")


def judge_target(path: str, *, sealed: bool, copies: Copies, jobs: int = 1, progress: Progress | None = None) -> Judged:
    """Judge a directory with everything below it, or a file as a bare log."""
    try:
        opened = open_target(path, progress)
    except Unreadable as error:
        return Judged(path, [], [], [], [Unchecked(".", str(error))], 0)
    with opened:
        if isinstance(opened, File):
            return _bare(path, opened, sealed, jobs)
        return _directory(path, opened, sealed, copies, jobs)


def _bare(path: str, file: File, sealed: bool, jobs: int) -> Judged:
    findings, events = Findings(), 0
    try:
        stream = judge_stream(None, file, ".", (1, 0), findings, None, jobs)
        events = stream.events
        for rule, where, line, message in last_lines([stream], findings) if sealed else []:
            findings.add(rule, where, line, message)
    except (Unreadable, MemoryError) as error:
        findings.unchecked(".", str(error) or "there was not enough memory")
    return Judged(path, [], findings.found, findings.omitted, findings.not_checked, events)


def _directory(path: str, root: Directory, sealed: bool, copies: Copies, jobs: int) -> Judged:
    whole = Findings()
    found = _judge_all(root, sealed, jobs, whole)
    experiments = []
    for where in sorted(found, key=path_order):
        experiment, identity = found[where]
        _enclosing(experiment, found)
        copies.add(experiment, path, identity)
        experiments.append(experiment)
    if not experiments:
        whole.unchecked(".", "there is no experiment in it")
    parts = [whole, *(experiment.findings for experiment in experiments)]
    return Judged(
        path,
        experiments,
        [finding for part in parts for finding in part.found],
        [number for part in parts for number in part.omitted],
        list(dict.fromkeys(entry for part in parts for entry in part.not_checked)),
        sum(experiment.events for experiment in experiments),
    )


Found = dict[str, tuple[Experiment | str, tuple[int, int]]]
"""Experiments by their path, each with the identity of its directory, or a string that says why it was not judged."""


def _judge_all(
    root: Directory, sealed: bool, jobs: int, whole: Findings
) -> dict[str, tuple[Experiment, tuple[int, int]]]:
    """The experiments in and below a directory, shared out by their paths over `jobs` processes."""
    jobs = max(jobs, 1) if can_fork() else 1
    others: dict[str, int] = {}
    try:
        with workers(jobs - 1, lambda number: iter([_share(root, sealed, jobs, number, Findings(), {})])) as shares:
            found = _share(root, sealed, jobs, jobs - 1, whole, others)
            for number, share in enumerate(shares):
                given, reason = dict[str, Any](), "it was moved, removed or replaced while the directory was read"
                try:
                    given = next(share)
                except Lost as error:
                    reason = str(error)
                for where in [where for where, other in others.items() if other == number]:
                    found[where] = given.get(where, (reason, (0, 0)))
    except Lost as error:
        whole.unchecked(".", str(error))
        return {}
    for where, (experiment, _) in found.items():
        if isinstance(experiment, str):
            whole.unchecked(where or ".", experiment)
    return {where: (one, identity) for where, (one, identity) in found.items() if not isinstance(one, str)}


def _share(root: Directory, sealed: bool, jobs: int, number: int, whole: Findings, others: dict[str, int]) -> Found:
    """What process `number` judges, the last being the first process; `others` are the experiments of other ones."""
    found: Found = {}

    def visit(directory: Directory, where: str, entries: dict[str, str]) -> set[str]:
        if not _taken(directory, where, entries, whole):
            return set()
        # A long stream is read by several processes, which only the first process may start.
        long = jobs > 1 and entries.get("log.jsonl") == "file" and is_long(_size(directory, "log.jsonl"))
        whose = jobs - 1 if long else crc32(path_order(where)) % jobs
        if whose != number:
            others[where] = whose
            return set(FOLDERS)
        try:
            judged = judge_experiment(directory, where, entries, sealed=sealed, jobs=jobs if long else 1)
            found[where] = judged, directory.identity()
        except Exception as error:  # a bug here must cost this experiment's verdict, not those of the others
            found[where] = f"the validator failed: {type(error).__name__}: {ascii(str(error))[:200]}", (0, 0)
        return set(FOLDERS)

    walk(root.reopened() if number < jobs - 1 else root.duplicate(), visit, whole.unchecked)
    return found


def _size(directory: Directory, name: str) -> int:
    try:
        return directory.status(name).st_size
    except (Absent, Unreadable):
        return 0


def _taken(directory: Directory, path: str, entries: dict[str, str], findings: Findings) -> bool:
    """Whether a directory is taken for an experiment."""
    if not path and "meta.json" in entries:
        return True
    prefix = f"{path}/" if path else ""
    if entries.get("meta.json") == "file":
        raw = _begin(directory, "meta.json", prefix, findings)
        members = parse(raw, line=False).value if raw else None
        if isinstance(members, dict) and isinstance(members.get("mlv"), str):
            return True
    if entries.get("log.jsonl") == "file":
        raw = _begin(directory, "log.jsonl", prefix, findings)
        event = parse(raw[:-1], line=True).value if raw else None
        if isinstance(event, dict) and event.get("event") == "mlv/start":
            data = event.get("data")
            return isinstance(data, dict) and isinstance(data.get("experiment"), str)
    return False


def _begin(directory: Directory, name: str, prefix: str, findings: Findings) -> bytes | None:
    """A meta record, or the first line of a stream; None if there is none that is not too long."""
    try:
        with directory.file(name) as file:
            if name == "meta.json":
                return file.read(0, MAX_SIZE) if file.size <= MAX_SIZE else None
            return first_line(file)
    except Absent:
        return None
    except Unreadable as error:
        findings.unchecked(prefix + name, str(error))
        return None


def _enclosing(experiment: Experiment, others: dict[str, tuple[Experiment, tuple[int, int]]]) -> None:
    """Compare the `parent` of an experiment with the nearest one that encloses it."""
    path = experiment.path
    while path and experiment.judged and experiment.parent is not False:
        path = path.rpartition("/")[0]
        if path in others:
            enclosing, _ = others[path]
            parent = experiment.parent if isinstance(experiment.parent, dict) else {}
            if enclosing.judged and enclosing.id and parent.get("id") != enclosing.id:
                shown = parent.get("id", "missing")
                text = f"parent is {shown}, but the experiment that encloses it has the id {enclosing.id}"
                experiment.findings.add("parent.enclosing", "meta.json", None, text)
            return
