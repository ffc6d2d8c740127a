"""
A report as lines for people, in the manner of a compiler.

No line begins with anything that was read from a directory, and everything that was is escaped.
"""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace

from mlv_validate._findings import Finding
from mlv_validate._report import Experiment, Report, Target
from mlv_validate._rules import VERSION, judged_at
from mlv_validate._text import count, visible

MOST = 20
"""So many findings of one rule at one path, and so many experiments, are written out; the rest is counted."""
MOST_PATHS = 100
"""At so many paths findings of one rule are written out, and so much that could not be checked."""

_PLAIN = re.compile(r"[A-Za-z0-9_~./-]")

Line = tuple[str, str, str]
"""What is printed before the word that says how bad it is, that word, and what is printed after it."""


def lines(report: Report, *, quiet: bool = False) -> Iterator[Line]:
    """The lines of a report; only those of what is wrong if `quiet`."""
    for target in report.targets:
        yield from (line for _, line in findings(target))
        yield from (line for _, line in not_checked(target))
        if quiet:
            continue
        for experiment in target.experiments[:MOST]:
            yield "", *_experiment(target, experiment)
        more = len(target.experiments) - MOST
        if more > 0:
            yield "", "experiment", f"s: {more} more"
        yield verdict(target, report)


def findings(target: Target) -> Iterator[tuple[str, Line]]:
    """The findings of a target, each with its path; of many of one rule at one path, the first and their number."""
    for finding in brief(target):
        where = place(target, finding.path) + ("" if finding.line is None else f":{finding.line}")
        yield finding.path, (f"{where}: ", finding.level, f": {finding.rule}: {visible(finding.message)}")


def not_checked(target: Target) -> Iterator[tuple[str, Line]]:
    """What could not be checked, each with its path."""
    for entry in target.unchecked[:MOST_PATHS]:
        yield entry.path, (f"{place(target, entry.path)}: ", "unchecked", f": {visible(entry.reason)}")
    more = len(target.unchecked) - MOST_PATHS
    if more > 0:
        yield ".", (f"{place(target, '.')}: ", "unchecked", f": {more} more at other paths")


def brief(target: Target) -> Iterator[Finding]:
    """
    The findings of a target; of many of one rule, the first ones and the number of the others.

    Those at one path are counted there, those at further paths at the end.
    """
    total = Counter((finding.path, finding.rule) for finding in target.findings)
    total.update({(entry.path, entry.rule): entry.number for entry in target.omitted})
    shown: Counter[tuple[str, str]] = Counter()
    paths: dict[str, set[str]] = defaultdict(set)
    further: dict[str, tuple[Finding, int]] = {}
    for finding in target.findings:
        key = finding.path, finding.rule
        if finding.path not in paths[finding.rule] and len(paths[finding.rule]) == MOST_PATHS:
            if not shown[key]:
                _, number = further.get(finding.rule, (finding, 0))
                further[finding.rule] = replace(finding, path=".", line=None), number + total[key]
        elif shown[key] < MOST:
            paths[finding.rule].add(finding.path)
            yield finding
        elif shown[key] == MOST:
            yield replace(finding, line=None, message=f"{total[key] - MOST} more")
        shown[key] += 1
    for finding, number in further.values():
        yield replace(finding, message=f"{number} more at other paths")


def place(target: Target, path: str) -> str:
    """A path as the user would write it, escaped, and beginning with a letter, a digit or one of `_~./-`."""
    if path == ".":
        joined = target.path
    elif target.path == ".":
        joined = path
    else:
        joined = os.path.join(target.path, path)
    if not _PLAIN.match(joined):
        joined = f"./{joined}"
    return visible(joined)


def _experiment(target: Target, experiment: Experiment) -> tuple[str, str]:
    sealed = {True: "sealed", False: "not sealed", None: "not known whether sealed"}[experiment.sealed]
    facts = f"{experiment.state or 'state not known'}, {sealed}, {count(experiment.events, 'event')}"
    return "experiment", f": {place(target, experiment.path)}: {facts}"


def verdict(target: Target, report: Report) -> Line:
    """The verdict on a target, in numbers. With a part of the rules, a target isn't known to be valid."""
    parts = []
    if target.errors:
        parts.append(count(target.errors, "error"))
    if target.warnings:
        parts.append(count(target.warnings, "warning"))
    if target.unchecked:
        parts.append(f"{len(target.unchecked)} not checked")
    what = [count(len(target.experiments), "experiment")] if target.experiments else []
    whole = ", ".join([*what, count(target.events, "event")])
    if parts:
        whole = f"{', '.join(parts)} in {whole}"
    if len(report.targets) > 1:
        whole = f"{place(target, '.')}: {whole}"
    word = "passed" if report.rules is not None and target.verdict == "valid" else target.verdict
    return "", word, f": {whole} (MLV {VERSION[0]}.{VERSION[1]}{_level(report)})"


def _level(report: Report) -> str:
    if report.rules is not None:
        return ", " + filter_of(report)
    return ", level Sealed" if report.level == "sealed" else ""


def filter_of(report: Report) -> str:
    """How many rules a report was filtered to: `3 of the 80 rules of level Core`."""
    judged = judged_at(report.level)
    shown = sum(rule in judged for rule in report.rules or ())
    return f"{shown} of the {count(len(judged), 'rule')} of level {report.level.capitalize()}"
