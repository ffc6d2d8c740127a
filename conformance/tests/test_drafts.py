"""Drafts stay readable: what their loggers wrote, and what their readers make of what the present logger writes.

`conformance/suite_tests/test_drafts.py` has the same tests for JavaScript. `spec/CHANGELOG.md` says what has changed.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from drafts import DRAFTS, HERE, ROOT, answers, normal, readers_of, then

from mlv_validate import validate
from mlvlogger import Exp

DRIVER = (sys.executable, ROOT / "conformance/drivers/python_driver.py")
PRESENT = ROOT / "python/src"

# Findings about experiments of a draft that its own validator didn't have. Each has a reason in `spec/CHANGELOG.md`.
NEW_FINDINGS: dict[tuple[str, str], list[tuple[str, str, int | None]]] = {}

# The parts of experiments of the present logger of which a reader of a draft makes something else than the present one,
# by their paths in the answer. Each has a reason in `spec/CHANGELOG.md`.
READ_OTHERWISE: dict[str, set[str]] = {draft: set() for draft in DRAFTS}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the present logger writes by the program that the loggers of the drafts have run."""
    folder = tmp_path_factory.mktemp("written")
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(PRESENT)}
    command = [sys.executable, "-S", str(HERE / "write.py")]
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    return folder


def experiments(folder: Path) -> list[str]:
    return sorted(path.parent.relative_to(folder).as_posix() for path in folder.rglob("meta.json"))


def differences(one: Any, other: Any, path: str = "") -> set[str]:
    """Return the paths of the parts that aren't the same."""
    if isinstance(one, dict) and isinstance(other, dict):
        names = {*one, *other}
        found = (differences(one.get(name, ...), other.get(name, ...), f"{path}/{name}") for name in names)
        return set().union(*found)
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        parts = (differences(*pair, f"{path}/{number}") for number, pair in enumerate(zip(one, other, strict=True)))
        return set().union(*parts)
    return set() if one == other else {path}


def test_the_fixtures_have_what_a_draft_could_write() -> None:
    for draft in DRAFTS:
        fixture = HERE / draft
        assert {"javascript", "minimal", "python"} == {path.name for path in fixture.iterdir() if path.is_dir()}
        assert (fixture / "readers.zip").stat().st_size < 300_000
        lines = b"".join(path.read_bytes() for path in fixture.rglob("*.jsonl"))
        parts = ["mlv/pause", "mlv/resume", "mlv/rewind", "mlv/dropped", "mlv/file", "mlv/seal", "mlv/end"]
        parts += ["fork_of", "recovered", "interrupted", "failed", "unencodable", "within", "captured"]
        assert [part for part in parts if f'"{part}"'.encode() not in lines] == [], draft
        metas = b"".join(path.read_bytes() for path in fixture.rglob("*.json"))
        assert b'"redacted"' in metas and b'"git"' in metas and b'"parent"' in metas
        assert (fixture / "javascript/killed/.mlv-lock-log.jsonl").exists()  # the lock of JavaScript's drafts
    assert [*HERE.glob("*/python/edited/log/kept-1.jsonl")] == [HERE / "2026-11-28/python/edited/log/kept-1.jsonl"]


@pytest.mark.parametrize("draft", DRAFTS)
def test_the_reader_reads_a_draft_as_its_own_reader_did(draft: str) -> None:
    expected = {name: normal(one["read"]) for name, one in then(draft).items()}
    assert list(expected) == experiments(HERE / draft)
    assert answers(DRIVER, "read", HERE / draft, expected, PRESENT) == expected


@pytest.mark.parametrize("draft", DRAFTS)
def test_the_validator_finds_in_a_draft_what_its_own_did(draft: str) -> None:
    for name, one in then(draft).items():
        [report] = validate(HERE / draft / name).targets
        expected = {(found["rule"], found["path"], found["line"]) for found in one["findings"]}
        expected |= set(NEW_FINDINGS.get((draft, name), []))
        assert {(found.rule, found.path, found.line) for found in report.findings} == expected, name
        assert [found.path for found in report.unchecked] == one["unchecked"], name
    assert validate(HERE / draft / "python/bare.jsonl").verdict == "valid"


@pytest.mark.slow
@pytest.mark.parametrize("draft", DRAFTS)
def test_the_logger_continues_an_experiment_of_a_draft(draft: str, tmp_path: Path) -> None:
    """An unfinished one, too. A line that another program had damaged stays."""
    for number, name in enumerate(then(draft)):
        path = tmp_path / str(number)
        shutil.copytree(HERE / draft / name, path)
        with Exp.resume(path, params={"continued": True}) as exp:
            exp.log.event("continued")
        [report] = validate(path).targets
        damage = {one["rule"] for one in then(draft)[name]["findings"]} - {"log.torn"}
        assert {found.rule for found in report.findings} == damage, name


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="not applicable: write.py needs POSIX limits and signals")
@pytest.mark.parametrize("draft", DRAFTS)
def test_the_reader_of_a_draft_reads_what_the_logger_writes(draft: str, written: Path, tmp_path: Path) -> None:
    readers = readers_of(draft, tmp_path)
    names = experiments(written)
    assert len(names) >= 13
    present = answers(DRIVER, "read", written, names, PRESENT)
    driver = (sys.executable, readers / "conformance/drivers/python_driver.py")
    old = answers(driver, "read", written, names, readers / "python/src")
    assert differences(old, present) == READ_OTHERWISE[draft]
    command = [sys.executable, "-S", "-c", "import mlvlogger; print(mlvlogger.__file__)"]
    done = subprocess.run(command, env={"PYTHONPATH": str(readers / "python/src")}, capture_output=True, text=True)
    assert str(readers) in done.stdout


def test_a_difference_is_found() -> None:
    """Those that the tests above would miss, if `normal` or `differences` were too generous."""
    one = {"a": [{"number": "1.0"}, {"datetime": "2026-11-22T18:24:00Z"}], "b": None}
    same = {"a": [{"number": "1"}, {"datetime": "2026-11-22T18:24:00+00:00"}], "b": None}
    assert differences(normal(one), normal(same)) == set()
    assert differences(normal({"number": "0.0"}), normal({"number": "-0.0"})) == {"/number"}
    assert differences(normal(one), normal({**same, "b": []})) == {"/b"}
    assert differences(normal(one), {"a": normal(same["a"])}) == {"/b"}
