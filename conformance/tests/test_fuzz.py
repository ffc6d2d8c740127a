"""The fuzzers of `trials/fuzz`, for a few seconds each; their long forms are separate commands."""

import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).parents[2] / "trials" / "fuzz"


def fuzz(name: str, *arguments: str) -> str:
    """Run a fuzzer as anybody would; returns its last line."""
    done = subprocess.run([sys.executable, FUZZ / name, *arguments], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()[-1]


@pytest.mark.slow
def test_damaged_experiments_are_all_judged() -> None:
    last = fuzz("mutate.py", "--rounds", "5")
    assert last.startswith("5 directories, 500 experiments: ") and last.endswith(" 0 failures")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "step", "bits"), [(None, 97, 484), ("files/model.txt", 1, 128), ("files/confusion.txt", 1, 72)]
)
def test_a_sealed_experiment_with_a_flipped_bit_is_never_valid(file: str | None, step: int, bits: int) -> None:
    """Where the version becomes one that is not known, the verdict is `unchecked`."""
    last = fuzz("bitflips.py", "--step", str(step), *(["--file", file] if file else []))
    numbers = {verdict: int(number) for number, verdict in (part.split() for part in last.split(", "))}
    assert sum(numbers.values()) == bits
    assert numbers.keys() <= {"invalid", "unchecked"}
