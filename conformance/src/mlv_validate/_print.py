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
from mlv_validate._rules import VERSION
from mlv_validate._text import count, visible

MOST = 20
"""So many findings of one rule at one path, and so many experiments, are written out; the rest is counted."""

_PLAIN = re.compile(r"[A-Za-z0-9_~./-]")

Line = tuple[str, str, str]
"""What is printed before the word that says how bad it is, that word, and what is printed after it."""


def lines(report: Report) -> Iterator[Line]:
    """The lines of a report."""
    for target in report.targets:
        yield from _findings(target)
        for entry in target.unchecked:
            yield f"{place(target, entry.path)}: ", "unchecked", f": {visible(entry.reason)}"
        for experiment in target.experiments[:MOST]:
            yield "", *_experiment(target, experiment)
        more = len(target.experiments) - MOST
        if more > 0:
            yield "", "experiment", f"s: {more} more"
        yield "", target.verdict, ": " + _summary(target, report)


def _findings(target: Target) -> Iterator[Line]:
    for finding in brief(target):
        where = place(target, finding.path) + ("" if finding.line is None else f":{finding.line}")
        yield f"{where}: ", finding.level, f": {finding.rule}: {visible(finding.message)}"


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


def _summary(target: Target, report: Report) -> str:
    parts = []
    if target.errors:
        parts.append(count(target.errors, "error"))
    if target.warnings:
        parts.append(count(target.warnings, "warning"))
    if target.unchecked:
        parts.append(f"{len(target.unchecked)} not checked")
    what = [count(len(target.experiments), "experiment")] if target.experiments else []
    what.append(count(target.events, "event"))
    level = ", level Sealed" if report.level == "sealed" else ""
    version = f"(MLV {VERSION[0]}.{VERSION[1]}{level})"
    whole = ", ".join(what)
    if parts:
        whole = f"{', '.join(parts)} in {whole}"
    if len(report.targets) > 1:
        return f"{place(target, '.')}: {whole} {version}"
    return f"{whole} {version}"
