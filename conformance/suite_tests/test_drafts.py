"""Drafts stay readable in JavaScript, too: see `conformance/tests/test_drafts.py`."""

import subprocess
import sys
from pathlib import Path

import pytest
from drafts import DRAFTS, HERE, ROOT, answers, normal, readers_of, then

from .test_implementations import node

DRIVER = ROOT / "javascript/bin/driver.js"


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


@pytest.mark.parametrize("draft", DRAFTS)
@pytest.mark.parametrize("writer", ["javascript", "minimal", "python"])
def test_the_reader_of_a_draft_reads_what_is_written_now(writer: str, draft: str, tmp_path: Path) -> None:
    readers = readers_of(draft, tmp_path / "readers")
    written = tmp_path / "written"
    written.mkdir()
    if writer == "python":
        environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT / "python/src")}
        command = [sys.executable, "-S", str(HERE / "write.py")]
        subprocess.run(command, cwd=written, env=environment, check=True, capture_output=True)
    else:
        driver = [node(), str(DRIVER)]
        if writer == "minimal":
            driver = [sys.executable, str(ROOT / "conformance/drivers/minimal.py")]
        scenario = (HERE / "scenario.jsonl").read_bytes()
        subprocess.run([*driver, "write", "."], cwd=written, check=True, capture_output=True, input=scenario)
    names = sorted(path.parent.relative_to(written).as_posix() for path in written.rglob("meta.json"))
    present = answers((node(), DRIVER), "read", written, names)
    assert names and answers((node(), readers / "javascript/bin/driver.js"), "read", written, names) == present
    old = (sys.executable, readers / "conformance/drivers/python_driver.py")
    assert answers(old, "read", written, names, readers / "python/src") == present
