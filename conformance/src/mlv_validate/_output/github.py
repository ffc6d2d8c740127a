"""A report as workflow commands, which GitHub shows at the files of a change."""

from collections.abc import Iterator

from mlv_validate._output.text import brief, place
from mlv_validate._report import Report
from mlv_validate._text import visible


def annotations(report: Report) -> Iterator[str]:
    """One line for each finding and for what could not be checked; of many of one rule at one path, the number."""
    for target in report.targets:
        for finding in brief(target):
            where = {"file": place(target, finding.path)}
            if finding.line is not None:
                where["line"] = str(finding.line)
            yield _command(finding.level, where | {"title": finding.rule}, finding.message)
        for entry in target.unchecked:
            yield _command("error", {"file": place(target, entry.path), "title": "unchecked"}, entry.reason)


def _command(name: str, properties: dict[str, str], message: str) -> str:
    listed = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{name} {listed}::{_message(visible(message))}"


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
