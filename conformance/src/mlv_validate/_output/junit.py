"""A report as JUnit XML, which CI systems read as test results."""

from collections import Counter
from dataclasses import dataclass, field
from itertools import chain
from xml.etree import ElementTree

from mlv_validate._findings import path_order
from mlv_validate._output.text import ReportLine, filter_text, finding_lines, match_lines, shown_path, unchecked_lines
from mlv_validate._report import Report, Target
from mlv_validate._text import count


def junit(report: Report, *, warnings_fail: bool) -> str:
    """Return a report with a test suite for each target and a test case for each experiment or bare log.

    Args:
        report: The report.
        warnings_fail: Whether warnings are failures of the test case, as errors are.
    """
    suites = ElementTree.Element("testsuites")
    for target in report.targets:
        suites.append(_suite(target, report, warnings_fail))
    ElementTree.indent(suites)
    text: bytes = ElementTree.tostring(suites, encoding="us-ascii", xml_declaration=True)
    return text.decode("ascii")


def _suite(target: Target, report: Report, warnings_fail: bool) -> ElementTree.Element:
    """Return the test suite of a target."""
    paths = {experiment.path for experiment in target.experiments}
    cases = {path: _Case() for path in sorted(paths, key=path_order) or ["."]}

    def case_of(path: str) -> _Case:
        return cases.setdefault(_owner(path, paths), _Case())

    for path, line in chain(finding_lines(target), unchecked_lines(target), match_lines(target)):
        case_of(path).lines.append(line)
    for finding in target.findings:
        case_of(finding.path).numbers[finding.level] += 1
    for entry in target.omitted:
        case_of(entry.path).numbers[entry.level] += entry.number
    suite = ElementTree.Element("testsuite", name=shown_path(target, "."))
    if report.rules is not None:
        properties = ElementTree.SubElement(suite, "properties")
        ElementTree.SubElement(properties, "property", name="rules", value=filter_text(report))
    results = []
    for path, case in cases.items():
        element = ElementTree.SubElement(suite, "testcase", classname="mlv-validate", name=shown_path(target, path))
        results.append(_fill(element, case, warnings_fail))
    suite.set("tests", str(len(results)))
    suite.set("failures", str(results.count("failure")))
    suite.set("errors", str(results.count("error")))
    return suite


@dataclass(slots=True)
class _Case:
    """A test case: lines of the text report, and the exact numbers of errors and warnings."""

    lines: list[ReportLine] = field(default_factory=list)
    numbers: Counter[str] = field(default_factory=Counter)


def _fill(element: ElementTree.Element, case: _Case, warnings_fail: bool) -> str | None:
    """Fill the element of a test case, and return its result: `failure`, `error` or None."""
    failing = ("error", "warning") if warnings_fail else ("error",)
    failed = [line for line in case.lines if line[1] in (*failing, "unchecked")]
    others = [line for line in case.lines if line[1] not in (*failing, "unchecked")]
    unchecked = sum(line[1] == "unchecked" for line in failed)
    result = None
    if failed:
        result = "error" if unchecked else "failure"
        parts = [count(case.numbers[level], level) for level in failing if case.numbers[level]]
        parts += [f"{unchecked} not checked"] if unchecked else []
        ElementTree.SubElement(element, result, message=", ".join(parts)).text = _text(failed)
    if others:
        ElementTree.SubElement(element, "system-out").text = _text(others)
    return result


def _text(lines: list[ReportLine]) -> str:
    return "".join(f"\n{''.join(line)}" for line in lines) + "\n"


def _owner(path: str, paths: set[str]) -> str:
    """Return the nearest experiment that contains a path; `.` if none does."""
    while path not in paths and path != ".":
        path = path.rpartition("/")[0] or "."
    return path
