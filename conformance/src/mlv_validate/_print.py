"""
A report as lines for people, in the manner of a compiler.

No line begins with anything that was read from a directory, and everything that was is escaped.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from mlv_validate._findings import Finding
from mlv_validate._report import Experiment, Report, Target
from mlv_validate._rules import VERSION, judged_at
from mlv_validate._text import count, visible

MOST = 20
"""So many findings of one rule at one path, and so many experiments, are written out; the rest is counted."""

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
    for entry in target.unchecked:
        yield entry.path, (f"{place(target, entry.path)}: ", "unchecked", f": {visible(entry.reason)}")


def brief(target: Target) -> Iterator[Finding]:
    """The findings of a target, with the number of those of one rule at one path after the first `MOST`."""
    total = Counter((finding.path, finding.rule) for finding in target.findings)
    total.update({(entry.path, entry.rule): entry.number for entry in target.omitted})
    shown: Counter[tuple[str, str]] = Counter()
    for finding in target.findings:
        key = finding.path, finding.rule
        shown[key] += 1
        if shown[key] <= MOST:
            yield finding
        elif shown[key] == MOST + 1:
            yield replace(finding, line=None, message=f"{total[key] - MOST} more")


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
    """The verdict on a target, in numbers. Who looks at a part of the rules does not know that it is valid."""
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
