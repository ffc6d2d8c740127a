"""Drafts stay readable in JavaScript, too: see `conformance/tests/test_drafts.py`."""

import subprocess
import sys
from pathlib import Path

import pytest
from drafts import DRAFTS, HERE, ROOT, answers, normal, readers_of, then

from .test_implementations import node

DRIVER = ROOT / "javascript/bin/driver.js"

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="not applicable: write.py needs POSIX limits and signals"
)


@pytest.mark.parametrize("draft", DRAFTS)
def test_javascript_reads_a_draft_as_its_own_reader_did(draft: str) -> None:
    expected = {name: normal(one["read"]) for name, one in then(draft).items()}
    assert answers((node(), DRIVER), "read", HERE / draft, expected) == expected


@pytest.mark.parametrize("draft", DRAFTS)
def test_the_validator_of_javascript_finds_in_a_draft_what_its_own_did(draft: str) -> None:
    found = answers((node(), DRIVER), "validate", HERE / draft, then(draft))
    for name, one in then(draft).items():
        findings = [
            {member: finding[member] for member in ("rule", "path", "line")} for finding in found[name]["findings"]
        ]
        assert (findings, found[name]["unchecked"]) == (one["findings"], one["unchecked"]), name


# What only the validator of a draft finds in experiments of the present logger: their names, and the findings.
# Each has a reason in `spec/CHANGELOG.md`.
SEALS = [("lifecycle", "event.unknown-members", "log.jsonl", line) for line in (14, 17)]
STREAM = [("lifecycle", "meta.unknown-members", "meta/2.json", None)]
FOUND_OTHERWISE = {
    "2026-11-27": [("edited", "event.unknown-members", "log/kept-1.jsonl", 3), *SEALS, *STREAM],
    "2026-11-28": [*SEALS, *STREAM],
}
FOUND_OTHERWISE_OF_DRIVERS = [("experiment", "meta.unknown-members", "meta/3.json", None)]


def write(writer: str, folder: Path) -> list[str]:
    """Write the experiments of a fixture with a present implementation, and return their names."""
    folder.mkdir()
    if writer == "python":
        environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT / "python/src")}
        command = [sys.executable, "-S", str(HERE / "write.py")]
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    else:
        driver = [node(), str(DRIVER)]
        if writer == "minimal":
            driver = [sys.executable, str(ROOT / "conformance/drivers/minimal.py")]
        scenario = (HERE / "scenario.jsonl").read_bytes()
        subprocess.run([*driver, "write", "."], cwd=folder, check=True, capture_output=True, input=scenario)
    return sorted(path.parent.relative_to(folder).as_posix() for path in folder.rglob("meta.json"))


def findings(driver: Path, folder: Path, names: list[str]) -> set[tuple[str, str, str, int | None]]:
    found = answers((node(), driver), "validate", folder, names)
    return {(name, one["rule"], one["path"], one["line"]) for name in names for one in found[name]["findings"]}


@pytest.mark.parametrize("writer", ["javascript", "minimal", "python"])
def test_the_readers_of_drafts_read_what_is_written_now(writer: str, tmp_path: Path) -> None:
    written = tmp_path / "written"
    names = write(writer, written)
    present = answers((node(), DRIVER), "read", written, names)
    assert names
    for draft in DRAFTS:
        readers = readers_of(draft, tmp_path / draft)
        javascript = readers / "javascript/bin/driver.js"
        assert answers((node(), javascript), "read", written, names) == present
        python = (sys.executable, readers / "conformance/drivers/python_driver.py")
        assert answers(python, "read", written, names, readers / "python/src") == present
        otherwise = FOUND_OTHERWISE[draft] if writer == "python" else FOUND_OTHERWISE_OF_DRIVERS
        assert findings(javascript, written, names) ^ findings(DRIVER, written, names) == set(otherwise)
