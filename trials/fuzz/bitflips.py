#!/usr/bin/env python3
"""
Flip every bit of a sealed experiment, one at a time, and judge it with `--require-sealed`: none may be valid.

`python trials/fuzz/bitflips.py` flips all of them, in some minutes; `--step 7` every seventh; `--file meta.json`
only those of one file. The last line counts the verdicts; the exit code is 1 if one was `valid`, or if the validator
failed.
"""

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

from mlv_validate import validate

BASE = Path(__file__).parents[2] / "conformance" / "suite" / "bases" / "sealed"


def verdict(experiment: Path) -> str:
    """The verdict about level Sealed; `failed` where the validator itself did."""
    [target] = validate(experiment, sealed=True).targets
    if any("the validator failed" in entry.reason for entry in target.unchecked):
        return "failed"
    return target.verdict


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--step", type=int, default=1, help="flip only every so manieth bit")
    parser.add_argument("--file", help="flip only the bits of this file")
    arguments = parser.parse_args()
    verdicts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        experiment = Path(name) / "sealed"
        shutil.copytree(BASE, experiment)
        if verdict(experiment) != "valid":
            print("the experiment is not valid as it is")
            return 1
        for path in sorted(path for path in experiment.rglob("*") if path.is_file()):
            inner = str(path.relative_to(experiment))
            if arguments.file in (None, inner):
                verdicts += flip(experiment, path, arguments.step)
    print(", ".join(f"{number} {verdict}" for verdict, number in sorted(verdicts.items())))
    return int(not verdicts or bool(verdicts["valid"] or verdicts["failed"]))


def flip(experiment: Path, path: Path, step: int) -> "Counter[str]":
    """The verdicts when the bits of a file are flipped, every `step`th of them."""
    good = path.read_bytes()
    verdicts: Counter[str] = Counter()
    for bit in range(0, 8 * len(good), step):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        path.write_bytes(bad)
        found = verdict(experiment)
        if found in ("valid", "failed"):
            print(f"{path.relative_to(experiment)}: bit {bit}: {found}")
        verdicts[found] += 1
    path.write_bytes(good)
    return verdicts


if __name__ == "__main__":
    sys.exit(main())
