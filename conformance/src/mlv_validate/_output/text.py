"""A report as lines for people, in the format of a compiler.

No line begins with data from a directory, and all such data is escaped.
"""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace

from mlv_validate._findings import Finding
from mlv_validate._report import Experiment, Report, Target
from mlv_validate._requirements import rules_at
from mlv_validate._text import count, visible
from mlv_validate._version import SPEC_VERSION

_MAX_SHOWN = 20  # findings of one rule at one path, and experiments; further ones are counted
_MAX_PATHS = 100  # with findings of one rule, and paths that could not be checked; further ones are counted

_PLAIN = re.compile(r"[A-Za-z0-9_~./-]")

ReportLine = tuple[str, str, str]
"""The text before the severity or verdict, that word, and the text after it."""


def report_lines(report: Report, *, quiet: bool = False) -> Iterator[ReportLine]:
    """Return the lines of a report; if `quiet`, without experiments and verdicts."""
    for target in report.targets:
        yield from (line for _, line in finding_lines(target))
        yield from (line for _, line in unchecked_lines(target))
        if not quiet:
            yield from _experiment_lines(target)
        yield from (line for _, line in match_lines(target))
        if not quiet:
            yield verdict_line(target, report)


def finding_lines(target: Target) -> Iterator[tuple[str, ReportLine]]:
    """Return the lines of the findings of a target, each with its path."""
    for finding in shortened_findings(target):
        where = shown_path(target, finding.path) + ("" if finding.line is None else f":{finding.line}")
        yield finding.path, (f"{where}: ", finding.level, f": {finding.rule}: {visible(finding.message)}")


def unchecked_lines(target: Target) -> Iterator[tuple[str, ReportLine]]:
    """Return the lines of what could not be checked, each with its path."""
    for entry in target.unchecked[:_MAX_PATHS]:
        yield entry.path, (f"{shown_path(target, entry.path)}: ", "unchecked", f": {visible(entry.reason)}")
    more = len(target.unchecked) - _MAX_PATHS
    if more > 0:
        yield ".", (f"{shown_path(target, '.')}: ", "unchecked", f": {more} more at other paths")


def match_lines(target: Target) -> Iterator[tuple[str, ReportLine]]:
    """Return the lines about what the anchor fits, covers of each stream, and doesn't cover, each with its path."""
    for match in target.matches:
        where = "the statement of the files as they are" if match.path is None else shown_path(target, match.path)
        at = "" if match.line is None else f":{match.line}"
        yield match.path or ".", ("", "anchor", f": fits {where}{at}")
        for stream in match.streams:
            later = f"; {count(stream.later, 'later line')} not covered" if stream.later else ""
            seq = "its beginning" if stream.seq is None else f"seq {stream.seq}"
            yield stream.path, ("", "unchanged", f": {shown_path(target, stream.path)} up to {seq}{later}")
        for path in match.uncovered[:_MAX_PATHS]:
            yield path, ("", "not covered", f": {shown_path(target, path)}")
        if len(match.uncovered) > _MAX_PATHS:
            yield ".", ("", "not covered", f": {len(match.uncovered) - _MAX_PATHS} more files")


def shortened_findings(target: Target) -> Iterator[Finding]:
    """Return the findings of a target: of many of one rule, the first ones and the number of the others.

    Further findings at one path are counted after those of the path, findings at further paths at the end.
    """
    total = Counter((finding.path, finding.rule) for finding in target.findings)
    total.update({(entry.path, entry.rule): entry.number for entry in target.omitted})
    shown: Counter[tuple[str, str]] = Counter()
    paths: dict[str, set[str]] = defaultdict(set)
    further: dict[str, tuple[Finding, int]] = {}
    for finding in target.findings:
        key = finding.path, finding.rule
        if finding.path not in paths[finding.rule] and len(paths[finding.rule]) == _MAX_PATHS:
            if not shown[key]:
                _, number = further.get(finding.rule, (finding, 0))
                further[finding.rule] = replace(finding, path=".", line=None), number + total[key]
        elif shown[key] < _MAX_SHOWN:
            paths[finding.rule].add(finding.path)
            yield finding
        elif shown[key] == _MAX_SHOWN:
            yield replace(finding, line=None, message=f"{total[key] - _MAX_SHOWN} more")
        shown[key] += 1
    for finding, number in further.values():
        yield replace(finding, message=f"{number} more at other paths")


def shown_path(target: Target, path: str) -> str:
    """Return a path as the user would write it: escaped, beginning with a letter, a digit or one of `_~./-`."""
    if path == ".":
        joined = target.path
    elif target.path == ".":
        joined = path
    else:
        joined = os.path.join(target.path, path)
    if not _PLAIN.match(joined):
        joined = f"./{joined}"
    return visible(joined)


def _experiment_lines(target: Target) -> Iterator[ReportLine]:
    for experiment in target.experiments[:_MAX_SHOWN]:
        yield "", *_experiment_line(target, experiment)
    more = len(target.experiments) - _MAX_SHOWN
    if more > 0:
        yield "", "experiment", f"s: {more} more"


def _experiment_line(target: Target, experiment: Experiment) -> tuple[str, str]:
    sealed = {True: "sealed", False: "not sealed", None: "unknown whether sealed"}[experiment.sealed]
    status = f"{experiment.state or 'state unknown'}, {sealed}, {count(experiment.events, 'event')}"
    return "experiment", f": {shown_path(target, experiment.path)}: {status}"


def verdict_line(target: Target, report: Report) -> ReportLine:
    """Return the line of the verdict on a target, with numbers. A report of some rules doesn't say `valid`."""
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
        whole = f"{shown_path(target, '.')}: {whole}"
    word = "passed" if report.rules is not None and target.verdict == "valid" else target.verdict
    return "", word, f": {whole} (MLV {SPEC_VERSION}{_level_or_filter(report)})"


def _level_or_filter(report: Report) -> str:
    if report.rules is not None:
        return ", " + filter_text(report)
    return ", level Sealed" if report.level == "sealed" else ""


def filter_text(report: Report) -> str:
    """Return how many rules a report was filtered to: `3 of the 80 rules of level Core`."""
    rules = rules_at(report.level)
    shown = sum(rule in rules for rule in report.rules or ())
    return f"{shown} of the {count(len(rules), 'rule')} of level {report.level.capitalize()}"
