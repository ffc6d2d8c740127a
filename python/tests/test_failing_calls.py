"""Calls of the system that fail below the program, by a library that is preloaded: writes, flushes, links, locks."""

import errno
import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from program import program

SOURCE = Path(__file__).parents[2] / "trials" / "faults" / "injection.py"


@pytest.fixture(scope="module")
def injection() -> ModuleType:
    spec = importlib.util.spec_from_file_location("faults_injection", SOURCE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    if reason := module.missing_compiler():
        pytest.skip(f"not applicable: {reason}")
    if sys.platform != "linux":
        pytest.skip("not applicable: the library is for Linux")
    return module


@pytest.mark.slow
@pytest.mark.rule("writer.line")
@pytest.mark.parametrize("writer", ["direct", "process"])
@pytest.mark.parametrize(
    ("kind", "error", "part", "times"),
    [
        ("write", "ENOSPC", 50, 3),
        ("write", "EIO", 1, 2),
        ("write", "EINTR", 0, 5),
        ("sync", "EIO", 0, 1),
        ("sync", "EINTR", 0, 2),
        ("open", "EMFILE", 0, 2),
        ("link", "ENOSPC", 0, 1),
        ("close", "EIO", 0, 2),
    ],
)
def test_calls_that_fail_for_a_while_lose_nothing(
    kind: str,
    error: str,
    part: int,
    times: int,
    writer: str,
    injection: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    begin: Callable[..., Any],
    conforms: Callable[..., dict[str, list[dict[str, Any]]]],
) -> None:
    (tmp_path / "library").mkdir()
    faults = injection.Injection(tmp_path / "library")
    for name, value in faults.environment.items():
        monkeypatch.setenv(name, value)
    process = begin(program("failing_calls"), writer, "disk")
    assert process.stdout.readline() == "made\n"
    faults.arm(tmp_path / "runs", injection.Fault(kind, 1, times, getattr(errno, error), part))
    process.stdin.write("\n")
    said = []
    while (line := process.stdout.readline()) not in ("lift\n", ""):
        said.append(json.loads(line))
    hits = faults.hits[0]
    faults.lift()
    process.communicate("\n")
    assert process.returncode == 0
    assert hits > 0, f"no {kind} was hit: {faults.seen}"
    acknowledged = {entry[2]: entry[1] for entry in said if entry[0] == "event" and entry[2] is not None}
    log = conforms(tmp_path / "runs")["log.jsonl"]
    written = {event["seq"]: event["data"]["number"] for event in log if event["event"] == "batch"}
    assert acknowledged.items() <= written.items()
    assert list(written.values()) == list(range(20)), "the others were kept in memory until calls went through again"
