"""A report in the Static Analysis Results Interchange Format, SARIF 2.1.0."""

import os
import re
from typing import Any
from urllib.parse import quote

from mlv_validate._findings import Finding, path_order
from mlv_validate._output.text import filter_text, match_lines
from mlv_validate._report import Report, Target
from mlv_validate._requirements import RULES
from mlv_validate._text import dumps, visible
from mlv_validate._version import __version__

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def sarif(report: Report) -> str:
    """Return a report as SARIF. The same report gives the same bytes."""
    occurring = {finding.rule for target in report.targets for finding in target.findings}
    rules = [name for name in RULES if name in occurring]
    index = {name: number for number, name in enumerate(rules)}
    notes = [
        {
            "level": "error",
            "message": {"text": visible(entry.reason)},
            "locations": [_location(target, entry.path, None)],
        }
        for target in report.targets
        for entry in target.unchecked
    ]
    notes += [
        {"level": "note", "message": _message("".join(line)), "locations": [_location(target, path, None)]}
        for target in report.targets
        for path, line in match_lines(target)
    ]
    if report.rules is not None:
        notes.append({"level": "note", "message": _message(f"only some rules were checked: {filter_text(report)}")})
    run = {
        "tool": {"driver": {"name": "mlv-validate", "version": __version__, "rules": [_rule(name) for name in rules]}},
        "invocations": [
            {"executionSuccessful": report.verdict != "unchecked", "toolExecutionNotifications": notes},
        ],
        "results": [_result(target, finding, index) for target in report.targets for finding in target.findings],
    }
    return dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]})


def _rule(name: str) -> dict[str, Any]:
    rule = RULES[name]
    return {
        "id": name,
        "shortDescription": {"text": rule.text},
        "help": {"text": rule.hint},
        "defaultConfiguration": {"level": rule.severity},
    }


def _result(target: Target, finding: Finding, index: dict[str, int]) -> dict[str, Any]:
    return {
        "ruleId": finding.rule,
        "ruleIndex": index[finding.rule],
        "level": finding.level,
        "message": _message(finding.message),
        "locations": [_location(target, finding.path, finding.line)],
    }


def _message(text: str) -> dict[str, Any]:
    """Return a message in which a SARIF viewer finds no links, `[text](address)`, and no placeholders, `{0}`."""
    return {"text": re.sub(r"\{(?=[0-9])", r"\\x7b", visible(text).replace("](", r"]\x28"))}


def _location(target: Target, path: str, line: int | None) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": {"uri": _uri(os.path.normpath(os.path.join(target.path, path)))}}
    if line is not None:
        physical["region"] = {"startLine": line}
    return {"physicalLocation": physical}


def _uri(path: str) -> str:
    """Return the URI of a path: relative for a relative path, so that it is the same in every clone."""
    return ("file://" if os.path.isabs(path) else "") + quote(path_order(path))
