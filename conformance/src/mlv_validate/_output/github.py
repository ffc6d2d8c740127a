"""A report as workflow commands: GitHub shows them next to the files of a change."""

from collections.abc import Iterator

from mlv_validate._output.text import shortened_findings, shown_path
from mlv_validate._report import Report
from mlv_validate._text import visible


def annotations(report: Report) -> Iterator[str]:
    """Return one line for each finding and each path that could not be checked; many of one rule are counted."""
    for target in report.targets:
        for finding in shortened_findings(target):
            where = {"file": shown_path(target, finding.path)}
            if finding.line is not None:
                where["line"] = str(finding.line)
            yield _command(finding.level, where | {"title": finding.rule}, finding.message)
        for entry in target.unchecked:
            yield _command("error", {"file": shown_path(target, entry.path), "title": "unchecked"}, entry.reason)


def _command(name: str, properties: dict[str, str], message: str) -> str:
    listed = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{name} {listed}::{_message(visible(message))}"


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
