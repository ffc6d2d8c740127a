"""Every byte prefix of a log is in order: what a crash leaves at any moment is a torn line, or nothing to say."""

import shutil
from pathlib import Path

import pytest

from mlv_validate import validate

BASES = Path(__file__).parents[1] / "suite" / "bases"


@pytest.mark.slow
@pytest.mark.rule("validator.findings")
@pytest.mark.parametrize("base", ["open", "paused"])
def test_every_prefix_of_a_log(base: str, tmp_path: Path) -> None:
    shutil.copytree(BASES / base, tmp_path / "x")
    log = tmp_path / "x" / "log.jsonl"
    whole = log.read_bytes()
    for size in range(len(whole)):
        log.write_bytes(whole[:size])
        [target] = validate(tmp_path / "x").targets
        committed, torn = whole.count(b"\n", 0, size), not whole[:size].endswith(b"\n") and size > 0
        expected = {("log.torn", "log.jsonl", committed + 1)} if torn else set()
        assert {(f.rule, f.path, f.line) for f in target.findings} == expected, size
        assert target.events == committed
